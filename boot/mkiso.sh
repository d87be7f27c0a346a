#!/bin/sh
# SPDX-License-Identifier: MIT
# mkiso.sh IMAGE ISO [BLOB]: a bootable ISO for BIOS and UEFI; BLOB becomes its configuration.
set -eu
image=$1
iso=$2
blob=${3:-}
here=$(dirname "$0")
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT INT TERM
mkdir -p "$tree/boot/grub"
cp "$image" "$tree/boot/raygate.elf"
cp "$here/grub.cfg" "$tree/boot/grub/grub.cfg"
if [ -n "$blob" ]; then
    cp "$blob" "$tree/boot/raygate.blob"
fi
modules="multiboot2 normal iso9660 serial terminal part_msdos part_gpt fat test"
grub-mkrescue -o "$iso.new" --install-modules="$modules" --fonts= --locales= --themes= "$tree" \
    >"$iso.log" 2>&1 || { cat "$iso.log" >&2; rm -f "$iso.new"; exit 1; }
mv "$iso.new" "$iso"
rm -f "$iso.log"
