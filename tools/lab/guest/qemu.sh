#!/bin/busybox sh
# The first program of a QEMU lab: from an archive in memory to a root of our own.
#
# The kernel has unpacked the initramfs that src/qemu.rs packs: this file, busybox and a few
# modules. The host's file tree is not here yet. It comes over 9p, a protocol for file trees, and
# becomes the lower layer of an overlay whose upper layer is memory.
set -e

# busybox starts its applets through /proc/self/exe.
/bin/busybox mount -t proc proc /proc
PATH=/bin:/sbin:/usr/bin:/usr/sbin
export PATH
read -r release </proc/sys/kernel/osrelease

# Numbered by src/qemu.rs, so that each comes after those that it needs.
for module in /modules/*; do insmod "$module"; done

mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=512000 root /host
mount -t tmpfs -o mode=755 lab /lab
mkdir /lab/upper /lab/work /lab/root
mount -t overlay -o lowerdir=/host,upperdir=/lab/upper,workdir=/lab/work lab /lab/root
mount -t proc proc /lab/root/proc

# The line to `lab` on the host is the only port of the only virtio console.
mount -t devtmpfs dev /dev
set -- /dev/vport*
line=$1
kernel=qemu
export kernel line release

# The initramfs is the kernel's very first mount and cannot be pivoted away: switch_root deletes
# what is in it, moves the new root on top and starts the second half there.
exec switch_root /lab/root /bin/busybox sh "$LAB_DIR/floor.sh"
