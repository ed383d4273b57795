# SPDX-License-Identifier: BSD-2-Clause
# bash completion of zrepctl, which itself knows what may stand where.
_zrepctl() {
    local found word
    mapfile -t found < <(zrepctl complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    COMPREPLY=()
    # Only the shell knows files.
    [[ ${COMP_WORDS[COMP_CWORD-1]} != --key ]] || compopt -o default 2>/dev/null
    for word in "${found[@]}"; do
        # A setting is followed by its value.
        case $word in *=) compopt -o nospace 2>/dev/null ;; *) printf -v word %q "$word" ;; esac
        COMPREPLY+=("$word")
    done
}
complete -F _zrepctl zrepctl
