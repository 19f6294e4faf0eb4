# Completion of pgvault for fish. Made by: pgvault completion fish
function __pgvault_offers
    set -l before (commandline -opc)
    set -l typed (commandline -ct | string unescape)
    test (count $typed) -eq 0; and set typed ''
    command pgvault completion fish --offer -- $before[2..-1] "$typed" 2>/dev/null </dev/null | while read -l -d \t kind word told
        switch $kind
            case file
                __fish_complete_path "$typed"
            case dir
                __fish_complete_directories "$typed" ''
            case plain
                printf '%s\t%s\n' "$word" "$told"
        end
    end
end
complete -c pgvault -e
complete -c pgvault -f -k -a '(__pgvault_offers)'
