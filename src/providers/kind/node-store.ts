/*
 * A prepared node image has its containers' images unpacked beforehand. Docker copies /var of a node image into a volume of
 * each node when it makes the container, so whatever lies there is copied for every node of every lab. Therefore the bulk of
 * containerd's folder (content blobs, and the snapshots that layers are unpacked into) stays in one Docker volume, which all
 * nodes mount read-only; /var/lib/containerd has containerd's two databases, and links. containerd makes new blobs and
 * snapshots beside the links, in the node's own volume.
 */

/** Where nodes, and the container that makes them, mount the volume. */
export const STORE_PATH = "/cnilab/store";

/** Part of a prepared image's identity; raised when what is written below changes. */
export const LAYOUT_VERSION = 2;

const ROOT = `${STORE_PATH}/containerd`;
const BLOBS = "io.containerd.content.v1.content/blobs/sha256";
const SNAPSHOTS = "io.containerd.snapshotter.v1.overlayfs/snapshots";

/** containerd's socket while the image is made. */
export const BUILD_ADDRESS = "/run/cnilab-build/containerd.sock";

/** The first process: containerd on a copy of the node image's own images; it waits for containerd, so that none is left a zombie. */
export const BUILD_SCRIPT = `set -eu
mkdir -p /run/cnilab-build
cp -a /var/lib/containerd ${ROOT}
containerd --root ${ROOT} --state /run/cnilab-build/state --address ${BUILD_ADDRESS} > /run/cnilab-build/log 2>&1 &
echo $! > /run/cnilab-build/pid
wait $! || true
exec sleep infinity
`;

/** Resolves when containerd answers; fails where it ended, with its last lines. */
export const WAIT_SCRIPT = `set -eu
until ctr version > /dev/null 2>&1; do
  if [ -s /run/cnilab-build/pid ] && ! kill -0 "$(cat /run/cnilab-build/pid)" 2> /dev/null; then tail -n 5 /run/cnilab-build/log >&2; exit 1; fi
  sleep .1
done
`;

/** Unpacks what the node image brings itself: the control plane. */
export const UNPACK_SCRIPT = `set -eu
for digest in $(ctr -n k8s.io images ls | awk 'NR > 1 {print $3}' | sort -u); do
  ctr -n k8s.io snapshots --snapshotter overlayfs unpack "$digest" > /dev/null
done
`;

/**
 * Ends containerd in order and makes /var/lib/containerd of databases and links. Then the hostname: agents that take a node's
 * name from it (Felix does, without FELIX_FELIXHOSTNAME) must find the Node's, so that each start of the kubelet, the first
 * and those after a restart of the container, sets it to what kubeadm told the kubelet.
 */
export const LINK_SCRIPT = `set -eu
pid=$(cat /run/cnilab-build/pid)
kill "$pid"
while kill -0 "$pid" 2> /dev/null; do sleep .05; done
to=/var/lib/containerd
rm -rf $to /run/cnilab-build
mkdir -m 700 $to
cd ${ROOT}
tar -c --exclude=./${BLOBS} --exclude=./${SNAPSHOTS} . | tar -x -C $to
mkdir -p $to/${BLOBS} $to/${SNAPSHOTS}
chmod 700 $to/${SNAPSHOTS}
for folder in ${BLOBS} ${SNAPSHOTS}; do
  find ${ROOT}/$folder -mindepth 1 -maxdepth 1 -exec ln -s -t $to/$folder {} +
done
cat > /usr/local/bin/cnilab-node-name <<'SCRIPT'
#!/bin/sh
flags=/var/lib/kubelet/kubeadm-flags.env
[ -f $flags ] || exit 0
name=$(sed -n 's/.*--hostname-override=\\([a-z0-9.-]*\\).*/\\1/p' $flags)
[ -z "$name" ] || echo "$name" > /proc/sys/kernel/hostname
SCRIPT
chmod 755 /usr/local/bin/cnilab-node-name
mkdir -p /etc/systemd/system/kubelet.service.d
printf '[Service]\\nExecStartPre=/usr/local/bin/cnilab-node-name\\n' > /etc/systemd/system/kubelet.service.d/20-cnilab-node-name.conf
sync
`;
