#!/bin/busybox sh
# The first program of a User-Mode Linux lab: from the host's files to a root of our own.
#
# The kernel has mounted the host's file tree read-only (hostfs) and runs this file as process 1.
# Everything below makes one thing: an overlay whose lower layer is that tree and whose upper layer
# is memory, so that the lab may write anywhere and the host never notices.
#
# Starting a process is slow here, some 15 ms, so what the shell can do itself it does itself.
set -e

# What hostfs shows in /proc is the host's own. busybox starts its applets through
# /proc/self/exe, so this one line names the program in full; then the new kernel's /proc counts.
/bin/busybox mount -t proc proc /proc
PATH=/bin:/sbin:/usr/bin:/usr/sbin
export PATH
read -r release </proc/sys/kernel/osrelease

# overlayfs is a module in Debian's kernel, and neither depmod nor udev is up to load it for us.
insmod "/usr/lib/uml/modules/$release/kernel/fs/overlayfs/overlay.ko"

# /mnt is a directory that every Debian has and nobody needs before the lab is up.
mount -t tmpfs -o mode=755 lab /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work lab /mnt/root

# The new root needs its /proc before we stand in it: the one that hostfs shows there is the host's.
mount -t proc proc /mnt/root/proc

# The new root is a mount point, the old root moves below it, we let go of it. From here on only the
# overlay keeps the host's tree, as its lower layer, where nobody can write.
cd /mnt/root
pivot_root . mnt
umount -l /mnt

# The line to `lab` on the host is the first serial port.
line=/dev/ttyS0
kernel=uml
. "$LAB_DIR/floor.sh"
