/** What an image runs when a pod does not say: its ENTRYPOINT and CMD. */
export interface KnownImage {
  entrypoint: readonly string[];
  cmd: readonly string[];
}

const image = (entrypoint: string, cmd = ""): KnownImage => ({
  entrypoint: entrypoint.split(" ").filter((word) => word !== ""),
  cmd: cmd.split(" ").filter((word) => word !== ""),
});

const shellImage = (program = "sh"): KnownImage => image("", program);

/** Image repositories (what answers stands in docs/images.md), by their last path segment or, with a slash, by their last two; the longer match wins. */
export const knownImages: Readonly<Record<string, KnownImage>> = {
  nginx: image("docker-entrypoint.sh", "nginx"),
  "nginx-unprivileged": image("docker-entrypoint.sh", "nginx"),
  "nginxdemos/hello": image("docker-entrypoint.sh", "nginx-hello"),
  "nginxdemos/nginx-hello": image("docker-entrypoint.sh", "nginx-hello"),
  httpd: image("", "httpd-foreground"),
  agnhost: image("agnhost", "pause"),
  "http-echo": image("http-echo"),
  whoami: image("whoami"),
  "ealen/echo-server": image("ealen-echo-server"),
  "jmalloc/echo-server": image("jmalloc-echo-server"),
  "echo-server": image("ealen-echo-server"),
  echoserver: image("echoserver"),
  "hello-app": image("hello-app"),
  redis: image("docker-entrypoint.sh", "redis-server"),
  postgres: image("docker-entrypoint.sh", "postgres"),
  mysql: image("docker-entrypoint.sh", "mysqld"),
  mariadb: image("docker-entrypoint.sh", "mariadbd"),
  mongo: image("docker-entrypoint.sh", "mongod"),
  memcached: image("docker-entrypoint.sh", "memcached"),
  coredns: image("coredns"),
  traefik: image("entrypoint.sh", "traefik"),
  proxyv2: image("pilot-agent"),
  pause: image("pause"),
  iperf3: image("iperf3"),
  "e2e-test-images/jessie-dnsutils": image("pause"),
  dnsutils: image("pause"),
  busybox: shellImage(),
  alpine: shellImage(),
  curl: image("", "curl"),
  netshoot: shellImage("zsh"),
  "network-multitool": image("docker-entrypoint.sh", "nginx"),
  ubuntu: shellImage("bash"),
  debian: shellImage("bash"),
  fedora: shellImage("bash"),
  rockylinux: shellImage("bash"),
  python: image("", "python3-prompt"),
};
