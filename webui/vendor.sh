#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# webui/vendor.sh - refreshes app/vendor/ from the npm packages that
# package.json and package-lock.json name.  Its result is committed, so only
# somebody who moves to another version of a library runs this (needs npm).
#
# What is changed in the files, because the page loads them as plain modules
# (no bundler, and the content policy forbids an inline import map):
#   - bare imports become relative ones ("preact" -> "./preact.js");
#   - the sourceMappingURL comments go, as the maps aren't shipped.
# noVNC is copied as it is.
set -euo pipefail
cd "$(dirname "$0")"
npm ci --ignore-scripts --no-audit --no-fund >/dev/null
m=node_modules
out=$(mktemp -d ./vendor.XXXXXX)
trap 'rm -rf "$out"' EXIT
chmod 755 "$out"
mkdir -p "$out/preact" "$out/htm" "$out/novnc"

plain() {	# plain FROM TO: copy with the two changes named above
	sed -e 's|from"preact"|from"./preact.js"|g' \
	    -e '/^\/\/# sourceMappingURL=/d' "$1" >"$2"
}
plain $m/preact/dist/preact.mjs "$out/preact/preact.js"
plain $m/preact/hooks/dist/hooks.mjs "$out/preact/hooks.js"
cp $m/preact/LICENSE "$out/preact/LICENSE"
plain $m/htm/dist/htm.mjs "$out/htm/htm.js"
cp $m/htm/LICENSE "$out/htm/LICENSE"
cp -r $m/@novnc/novnc/core $m/@novnc/novnc/vendor "$out/novnc/"
cp $m/@novnc/novnc/LICENSE.txt $m/@novnc/novnc/AUTHORS "$out/novnc/"
cp $m/@novnc/novnc/docs/LICENSE.MPL-2.0 "$out/novnc/"

if grep -rlE '(from|import) ?\(?"[a-z@]' "$out" --include='*.js'; then
	echo "vendor.sh: a bare import is left in the files above" >&2
	exit 1
fi
{
	echo "Libraries of the browser console; made by webui/vendor.sh, don't edit."
	echo
	for p in preact htm @novnc/novnc; do
		node -e 'const p = require(process.argv[1]);
		    console.log(`${p.name} ${p.version}  ${p.license}`)' \
		    "./$m/$p/package.json"
	done
	echo "novnc/vendor/pako (part of noVNC)  MIT"
} >"$out/README"
(cd "$out" && find . -type f ! -name SHA256SUMS | LC_ALL=C sort |
    xargs sha256sum >SHA256SUMS)
find "$out" -type d -exec chmod 755 {} + -o -type f -exec chmod 644 {} +
rm -rf app/vendor
mv "$out" app/vendor
trap - EXIT
echo "app/vendor: $(wc -l <app/vendor/SHA256SUMS) files"
