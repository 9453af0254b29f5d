"""A WebDAV server by wsgidav and cheroot, on the address, for the folder and for the user that it is told. Properties are
kept beside the documents, so that a restart forgets only locks. Prints `ready` when it listens, and a line a request."""

import sys

from cheroot import wsgi
from wsgidav.wsgidav_app import WsgiDAVApp

port, documents, properties, user, password = sys.argv[1:]
sys.stdout.reconfigure(encoding="utf-8")
application = WsgiDAVApp(
    {
        "provider_mapping": {"/": documents},
        "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
        "simple_dc": {"user_mapping": {"*": {user: {"password": password}}}},
        "property_manager": {
            "class": "wsgidav.prop_man.property_manager.ShelvePropertyManager",
            "kwargs": {"storage_path": properties},
        },
        "lock_storage": True,
        "logging": {"enable": False},
        "verbose": 0,
    }
)


def logged(environ, start_response):
    # As it came: the application changes it.
    call = environ["REQUEST_METHOD"] + " " + environ["PATH_INFO"].encode("latin-1").decode()

    def start(status, headers, *rest):
        # In one piece: there are several threads.
        sys.stdout.write(f"{call} {status.split(' ')[0]}\n")
        sys.stdout.flush()
        return start_response(status, headers, *rest)

    return application(environ, start)


server = wsgi.Server(("127.0.0.1", int(port)), logged, numthreads=8)
server.prepare()
print("ready", flush=True)
server.serve()
