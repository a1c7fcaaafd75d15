#!/usr/bin/env bash
# Makes what is in the image: root.sh PROGRAM FOLDER, its root file system in FOLDER/image, and the empty FOLDER/data.
#
# PROGRAM is the host's release binary; in go also what it links to on this machine, the certificates and time zones that it
# reads, the plugins and the configuration of the demo. Run in the Dockerfile, and by try.sh for a binary that is there.
set -euo pipefail
cd "$(dirname "$0")/../.."
program=$1 root=$2/image

install -D --strip "$program" "$root/usr/local/bin/millstream"
# `name => path (address)`, and the loader as `path (address)`.
ldd "$program" | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' | while read -r library; do
  install -D "$(realpath "$library")" "$root$library"
done
install -D --mode=644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
mkdir -p "$root/usr/share" && cp -r /usr/share/zoneinfo "$root/usr/share/"
# The same zones again, with leap seconds and without; nobody asks for them.
rm -rf "$root/usr/share/zoneinfo/right" "$root/usr/share/zoneinfo/posix"

mkdir -p "$2/data" "$root/etc/millstream/plugins"
install -d --mode=1777 "$root/tmp"
for plugin in format-user validate dedup; do
  "$program" plugin build "plugins/$plugin" --out "$root/etc/millstream/plugins/$plugin.wasm"
done
install --mode=644 deploy/compose/pipeline.toml "$root/etc/millstream/pipeline.toml"
