#compdef pgvault
# Completion of pgvault for zsh. Made by: pgvault completion zsh
_pgvault() {
    local line kind word told
    local -a fields closed open
    for line in "${(@f)$(command pgvault completion zsh --offer -- "${(@Q)words[2,CURRENT]}" 2>/dev/null </dev/null)}"; do
        fields=("${(@ps:\t:)line}")
        kind=$fields[1] word=$fields[2] told=$fields[3]
        case $kind in
            file) _files; return ;;
            dir) _files -/; return ;;
            plain)
                word=${word//:/\\:}
                if [[ $word == *[=:/] ]]; then open+=("$word${told:+:$told}"); else closed+=("$word${told:+:$told}"); fi
                ;;
        esac
    done
    local found=1
    (( $#closed )) && _describe -V 'pgvault' closed && found=0
    (( $#open )) && _describe -V 'pgvault' open -S '' && found=0
    return found
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _pgvault "$@"
else
    compdef _pgvault pgvault
fi
