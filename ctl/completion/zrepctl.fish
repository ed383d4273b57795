# SPDX-License-Identifier: BSD-2-Clause
# fish completion of zrepctl, which itself knows what may stand where.
function __zrepctl_words
    set -l words (commandline -opc) (commandline -ct)
    zrepctl complete -- $words[2..-1] 2>/dev/null
end
complete -c zrepctl -f -a '(__zrepctl_words)'
# Only the shell knows files.
complete -c zrepctl -n 'string match -qr -- "^--key\$" (commandline -opc)[-1]' -F
