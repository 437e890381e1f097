/** What changes on a machine without a lab, and why: it is not compared. Patterns are for the names in a section. */
export const VOLATILE: readonly { section: string; name: RegExp; why: string }[] = [
  { section: "file", name: /^\/etc\/(passwd|group|shadow|gshadow)-?$/, why: "users and groups are told by themselves" },
  { section: "file", name: /^\/etc\/(subuid|subgid)-$/, why: "useradd's copy of what was before" },
  { section: "file", name: /^\/etc\/\.pwd\.lock$/, why: "a lock of lckpwdf(3)" },
  { section: "file", name: /^\/etc\/(resolv\.conf|mtab)$/, why: "DHCP clients and mounts rewrite them" },
  { section: "file", name: /^\/etc\/adjtime$/, why: "hwclock(8) keeps the clock's drift there" },
  { section: "file", name: /^\/etc\/(ld\.so\.cache|udev\/hwdb\.bin)$/, why: "built anew whenever a package is" },
  { section: "file", name: /^\/etc\/lvm\/(archive|backup|cache)\//, why: "lvm(8) keeps its history there" },
  { section: "file", name: /^\/var\/lib\/cnilab(\/|$)/, why: "the lease and this footprint, which go at the very end" },
  { section: "file", name: /^\/var\/lib\/(dpkg|apt|rpm|dnf|yum)\//, why: "packages are told by themselves" },
  { section: "file", name: /^\/var\/lib\/(containerd|docker)\//, why: "images and containers are told by themselves" },
  {
    section: "file",
    name: /^\/var\/lib\/(sudo|systemd|private|dhcp|dhclient|NetworkManager|chrony|ntp|logrotate|PackageKit|polkit-1|fwupd|snapd|cloud|man-db|plocate|mlocate|update-notifier|ubuntu-advantage|ucf|AccountsService|command-not-found|upower|misc|mirrors)(\/|$)/,
    why: "the system's own services keep their state there",
  },
  {
    section: "file",
    name: /^\/var\/log\/(journal|apt|private|sysstat|unattended-upgrades)$/,
    why: "the system's logs",
  },
  {
    section: "file",
    name: /^\/run\/(user|sudo|screen|tmux|credentials|netns|cnilab)$/,
    why: "sessions and short-lived state",
  },
  {
    section: "file",
    name: /^\/(root|home\/[^/]+)\/\.(\w+_history|viminfo|lesshst|wget-hsts|cache|local|sudo_as_admin_successful)$/,
    why: "people's own sessions",
  },
  {
    section: "unit",
    name: /^(user@|user-runtime-dir@|session-|run-|ssh@|sshd@|getty@|serial-getty@|systemd-(hostnamed|timedated|localed|tmpfiles|fsck|coredump)|apt-|dpkg-|packagekit|dnf-|fwupd|logrotate|man-db|motd-|fstrim|e2scrub|polkit|udisks2|unattended)/,
    why: "sessions, and services that start when asked for or by the clock",
  },
  { section: "unit file", name: /\.(mount|swap|scope)$|^run-/, why: "mounts and swaps are told by themselves" },
  {
    section: "mount",
    name: /^\/run\/(user|credentials|docker|snapd|netns)\/|^\/run\/netns /,
    why: "sessions and containers of others",
  },
  { section: "mount", name: /^\/proc\/sys\/fs\/binfmt_misc /, why: "mounted when somebody looks" },
  {
    section: "cgroup",
    name: /\.(service|scope|socket|mount|swap|automount)(\/|$)|(^|\/)(user|machine|init)\.(slice|scope)|\/system-[^/]*\.slice|(^|\/)(docker|buildkit|libpod_parent|lxc)(\/|$)/,
    why: "units, sessions and containers of others come and go",
  },
  { section: "sysctl", name: /^net\/netfilter\/nf_conntrack_count$/, why: "counts connections" },
  {
    section: "sysctl",
    name: /^vm\/(min_free_kbytes|user_reserve_kbytes|admin_reserve_kbytes|drop_caches|stat_refresh|mmap_rnd_.*|nr_pdflush_threads)$/,
    why: "the kernel sets them by the memory that it has",
  },
];
