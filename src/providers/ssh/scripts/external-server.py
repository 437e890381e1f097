"""What the host outside the cluster serves while a lab is up: on one address and port, agnhost's netexec as labs use it.

Python 3.9 or later, a service of systemd's that external.py starts. Over HTTP /hostname, /clientip, /echo, /header, /healthz and
/redirect, over UDP the words hostname, clientip and echo; nothing of the machine is served, and nothing is kept.
"""

import http.server
import os
import socket
import threading
import time
import urllib.parse

ADDRESS, PORT, NAME = REQUEST["address"], REQUEST["port"], REQUEST["name"]  # noqa: F821


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Of silent connections, each of which has a thread.
    timeout = 30

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = {key: values[0] for key, values in urllib.parse.parse_qs(url.query).items()}
        status, headers, body = self.reply(url.path, query)
        data = body.encode("utf-8", "replace")
        self.send_response(status)
        for name, value in dict(headers, **{"Content-Type": "text/plain; charset=utf-8", "Content-Length": len(data)}).items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def do_POST(self):
        # What was sent is not read, and must not look like the next request.
        self.close_connection = True
        self.do_GET()

    do_HEAD, do_PUT = do_GET, do_POST

    def reply(self, path, query):
        if path in ("/hostname", "/hostName"):
            return 200, {}, NAME
        if path == "/clientip":
            return 200, {}, "%s:%d" % self.client_address[:2]
        if path == "/echo":
            return status_of(query, 200, range(200, 600)), {}, query.get("msg", "")
        if path == "/header":
            return 200, {}, self.headers.get(query.get("key", ""), "")
        if path in ("/healthz", "/readyz"):
            return 200, {}, ""
        if path == "/redirect":
            location = "".join(each for each in query.get("location", "") if "!" <= each <= "~")
            return status_of(query, 302, range(300, 400)), {"Location": location}, ""
        # Go's "/" takes every path that no other handler has.
        return 200, {}, "NOW: %s" % time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def log_message(self, *_):
        """The machine's journal is not ours to fill."""


def status_of(query, default, allowed):
    code = query.get("code", str(default))
    return int(code) if code.isdigit() and int(code) in allowed else 400


class WebServer(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, *_):
        """Probes reset their connections."""


def serve_datagrams(sock):
    while True:
        data, sender = sock.recvfrom(2048)
        asked = data.decode("latin-1").strip()
        word = asked.lower()
        if word == "hostname":
            reply = NAME
        elif word == "clientip":
            reply = "%s:%d" % sender
        elif word.startswith("echo "):
            reply = asked[len("echo ") :]
        else:
            continue
        try:
            sock.sendto(reply.encode("latin-1", "replace"), sender)
        except OSError:
            # A reply that cannot be sent is lost, as any datagram may be.
            pass


def tell_ready():
    """sd_notify(3)"""
    path = os.environ["NOTIFY_SOCKET"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"READY=1", "\0" + path[1:] if path.startswith("@") else path)


def main():
    # By this name preflight knows it.
    with open("/proc/self/comm", "w") as file:
        file.write("cnilab-external")
    web = WebServer((ADDRESS, PORT), Handler)
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind((ADDRESS, PORT))
    threading.Thread(target=serve_datagrams, args=(datagrams,), daemon=True).start()
    tell_ready()
    web.serve_forever()


main()
