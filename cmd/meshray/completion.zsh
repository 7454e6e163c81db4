#compdef meshray
# zsh completion for meshray; put it into a folder of $fpath as _meshray.
_meshray() {
    local -a candidates
    candidates=("${(@f)$("${words[1]}" __complete -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    candidates=(${candidates:#})
    if (( ${#candidates} )); then
        compadd -- "${candidates[@]}"
    else
        _files
    fi
}
if [ "${funcstack[1]}" = "_meshray" ]; then
    _meshray "$@"
else
    compdef _meshray meshray
fi
