# fish completion for meshray; put it into ~/.config/fish/completions/meshray.fish.
function __meshray_complete
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete -- $words[2..-1] 2>/dev/null
end
complete -c meshray -a '(__meshray_complete)'
