# SPDX-License-Identifier: Apache-2.0
"""A web server that knows a few paths: {path: bytes, or (status, fields, bytes)}."""
import http.server
import threading


class WebServer:
    def __init__(self, where, files, tls=None):
        self.asked = asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                found = files.get(self.path, (404, {}, b""))
                status, fields, body = found if isinstance(found, tuple) else (200, {}, found)
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(where, Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
