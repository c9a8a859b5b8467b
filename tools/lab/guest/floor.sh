# The second half of both labs: what a Linux system mounts before its first program starts.
#
# uml.sh and qemu.sh come here as process 1, when / is the overlay and /proc is mounted, with
#
#   $kernel   uml or qemu
#   $release  the kernel's release
#   $line     the device that leads to `lab` on the host
#   $LAB_DIR  the directory that `lab` has laid out on the host
#
# At the end `lab guest` runs the command, and the machine is turned off.
set -e

# As in /etc/fstab: what, where, type, options. Two tables, because what the second mounts onto
# exists only when the first is mounted.
table() { mount -a -T "$LAB_DIR/$1"; }
table first.fstab
mkdir -p /dev/pts /dev/shm /run/host /run/lock "/lib/modules/$release"
# Bound without its submounts, / is the host's tree as it was before anything covered it.
mount --bind / /run/host
notes=/run/host$LAB_DIR
read -r modules <"$notes/modules"
mount --bind "/run/host$modules/$release" "/lib/modules/$release"
LAB_DIR=$notes table second.fstab

# A working directory or a program below /tmp or /run is now hidden: show it again.
while IFS= read -r path; do
    case $path in /tmp/?* | /run/?*) ;; *) continue ;; esac
    if [ -d "/run/host$path" ]; then
        mkdir -p "$path"
    else
        mkdir -p "${path%/*}"
        : >"$path"
    fi
    mount --bind "/run/host$path" "$path"
done <"$notes/kept"

# The one door back to the host: the directories that --share names.
share() {
    case $kernel in
    uml) mount -t hostfs -o "$2" share "$2" ;;
    qemu) mount -t 9p -o trans=virtio,version=9p2000.L,cache=mmap,msize=512000 "share$1" "$2" ;;
    esac
}
number=0
while IFS= read -r path; do
    mkdir -p "$path"
    share $number "$path"
    number=$((number + 1))
done <"$notes/shares"

# The kernel asks /sbin/modprobe for what it lacks (veth, bridge, nf_tables …).
[ -e /sbin/modprobe ] || ln -s /bin/busybox /sbin/modprobe

# One tree, every controller handed down to the first level: what systemd would do.
read -r controllers </sys/fs/cgroup/cgroup.controllers
for controller in $controllers; do
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
done

echo lab >/proc/sys/kernel/hostname
ip link set lo up

# A serial port is a terminal: make it raw, so that it carries bytes and not lines of text.
if [ $kernel = uml ]; then stty raw -echo <"$line"; fi

read -r lab <"$notes/exe"
cd /
set +e
"/run/host$lab" guest "$line" "$notes/order"
poweroff -f
