/** What an image runs when a pod does not say: its ENTRYPOINT and CMD. */
export interface KnownImage {
  entrypoint: readonly string[];
  cmd: readonly string[];
  /** For docs/images.md. */
  summary: string;
}

const image = (summary: string, entrypoint: string, cmd = ""): KnownImage => ({
  summary,
  entrypoint: entrypoint.split(" ").filter((word) => word !== ""),
  cmd: cmd.split(" ").filter((word) => word !== ""),
});

const shellImage = (program = "sh"): KnownImage => image("A shell; what its command listens on", "", program);

/** Image repositories, by their last path segment or, with a slash, by their last two; the longer match wins. */
export const knownImages: Readonly<Record<string, KnownImage>> = {
  nginx: image("HTTP on 80, a welcome page; 404 elsewhere", "docker-entrypoint.sh", "nginx"),
  "nginx-unprivileged": image("As nginx, on 8080", "docker-entrypoint.sh", "nginx"),
  "nginxdemos/hello": image("HTTP on 80, who answered", "docker-entrypoint.sh", "nginx-hello"),
  "nginxdemos/nginx-hello": image("HTTP on 80, who answered", "docker-entrypoint.sh", "nginx-hello"),
  httpd: image("HTTP on 80, It works!", "", "httpd-foreground"),
  agnhost: image("netexec, serve-hostname, porter, test-webserver, guestbook; pause and the others wait or end", "agnhost", "pause"),
  "http-echo": image("HTTP on 5678 or -listen, the -text", "http-echo"),
  whoami: image("HTTP on 80 or --port, who answered and what was asked", "whoami"),
  "ealen/echo-server": image("HTTP on 80 or PORT, the request as JSON", "ealen-echo-server"),
  "jmalloc/echo-server": image("HTTP on 8080 or PORT, the request as text", "jmalloc-echo-server"),
  "echo-server": image("HTTP on 80 or PORT, the request as JSON", "ealen-echo-server"),
  echoserver: image("HTTP on 8080, the request as text", "echoserver"),
  "hello-app": image("HTTP on 8080 or PORT, Hello, world!", "hello-app"),
  redis: image("TCP 6379 or --port, PING", "docker-entrypoint.sh", "redis-server"),
  postgres: image("TCP 5432 or -p, the first message; needs a password variable", "docker-entrypoint.sh", "postgres"),
  mysql: image("TCP 3306 or --port, the greeting; needs a password variable", "docker-entrypoint.sh", "mysqld"),
  mariadb: image("TCP 3306 or --port, the greeting; needs a password variable", "docker-entrypoint.sh", "mariadbd"),
  mongo: image("TCP 27017 or --port, accepts only", "docker-entrypoint.sh", "mongod"),
  memcached: image("TCP 11211 or -p, version", "docker-entrypoint.sh", "memcached"),
  coredns: image("Cluster DNS on 53 (UDP and TCP), metrics on 9153, health on 8080, ready on 8181", "coredns"),
  pause: image("Nothing", "pause"),
  iperf3: image("TCP 5201 or -p with -s, accepts only", "iperf3"),
  "e2e-test-images/jessie-dnsutils": image("Nothing", "pause"),
  dnsutils: image("Nothing", "pause"),
  busybox: shellImage(),
  alpine: shellImage(),
  curl: image("Runs curl once; a command of its own decides otherwise", "", "curl"),
  netshoot: shellImage("zsh"),
  "network-multitool": image("HTTP on 80, a line about itself", "docker-entrypoint.sh", "nginx"),
  ubuntu: shellImage("bash"),
  debian: shellImage("bash"),
  fedora: shellImage("bash"),
  rockylinux: shellImage("bash"),
  python: image("http.server when its command is that", "", "python3-prompt"),
};
