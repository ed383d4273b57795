# SPDX-License-Identifier: BSD-2-Clause
# bash completion of zrepctl, which itself knows what may stand where.
_zrepctl() {
    local line=${COMP_LINE:0:COMP_POINT} words=() found raw word before
    # bash cuts a name at each colon and equals sign; what no blank stands before is put together again.
    for raw in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        word=${raw//[\\\'\"]/} # no name has any of these, but bash keeps them as they were typed
        case $line in
            [[:blank:]]*) words+=("$word") ;;
            *) words[${#words[@]} ? ${#words[@]} - 1 : 0]+=$word ;;
        esac
        line=${line#"${line%%[![:blank:]]*}"}
        line=${line#"$raw"}
    done
    mapfile -t found < <(zrepctl complete -- "${words[@]:1}" 2>/dev/null)
    COMPREPLY=()
    # Only the shell knows files.
    [[ ${COMP_WORDS[COMP_CWORD-1]} != --key ]] || compopt -o default 2>/dev/null
    # What bash replaces begins behind the last place where it cut.
    word=${words[${#words[@]}-1]}
    before=${word%"${word##*[:=]}"}
    for word in "${found[@]}"; do
        word=${word#"$before"}
        # A setting is followed by its value; within quotes a blank is none that has to be quoted.
        case $word in
            *=) compopt -o nospace 2>/dev/null ;;
            *) [[ $raw == [\'\"]* ]] || printf -v word %q "$word" ;;
        esac
        COMPREPLY+=("$word")
    done
}
complete -F _zrepctl zrepctl
