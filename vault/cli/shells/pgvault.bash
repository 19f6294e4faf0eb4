# Completion of pgvault for bash. Made by: pgvault completion bash
_pgvault() {
    local line=${COMP_LINE:0:COMP_POINT} breaks='' typed before='' kind word told shown
    # bash splits a word at : and =, if it is told to: what stands before stays, and must not come again.
    [[ $COMP_WORDBREAKS == *:* ]] && breaks+=:
    [[ $COMP_WORDBREAKS == *=* ]] && breaks+==
    typed=${line##*[[:space:]]}
    [[ -n $breaks ]] && before=${typed%"${typed##*[$breaks]}"}
    COMPREPLY=()
    while IFS=$'\t' read -r kind word told; do
        case $kind in
            file | dir)
                local flag=-f
                [[ $kind == dir ]] && flag=-d
                compopt -o filenames 2>/dev/null
                while IFS= read -r shown; do COMPREPLY+=("$shown"); done < <(compgen "$flag" -- "${typed#"$before"}")
                ;;
            plain)
                shown=${word#"$before"}
                [[ $shown == *[=:/] ]] && compopt -o nospace 2>/dev/null
                printf -v shown '%q' "$shown"
                COMPREPLY+=("$shown")
                ;;
        esac
    done < <(command pgvault completion bash --offer -- "$line" 2>/dev/null </dev/null)
}
complete -F _pgvault pgvault
