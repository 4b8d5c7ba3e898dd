#!/usr/bin/env bash
# Puts completions where the shells look for them: install-completions.sh PREFIX
set -euo pipefail
prefix=${1:?usage: install-completions.sh PREFIX}
keyway=$prefix/bin/keyway
bash=$prefix/share/bash-completion/completions
zsh=$prefix/share/zsh/site-functions
fish=$prefix/share/fish/vendor_completions.d
install -d "$bash" "$zsh" "$fish"
"$keyway" completions bash >"$bash/keyway"
"$keyway" completions zsh >"$zsh/_keyway"
"$keyway" completions fish >"$fish/keyway.fish"
# bash and fish look by the name of the tool.
for link in "$prefix"/bin/*; do
  [ -L "$link" ] && [ "$(basename "$(readlink "$link")")" = keyway ] || continue
  ln -sf keyway "$bash/$(basename "$link")"
  ln -sf keyway.fish "$fish/$(basename "$link").fish"
done
