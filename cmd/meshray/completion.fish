# fish completion for meshray; put it into ~/.config/fish/completions/meshray.fish.
function __meshray_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct | string trim -l -c \'\")
    set -l candidates ($words[1] __complete -- $words[2..-1] "$current" 2>/dev/null)
    if set -q candidates[1]
        printf '%s\n' $candidates
    else
        __fish_complete_path $current
    end
end
complete -c meshray -f -a '(__meshray_complete)'
