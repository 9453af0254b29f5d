"""A WebDAV server by wsgidav and cheroot, on the address, for the folder and for the user that it is told. Properties are
kept beside the documents, so that a restart forgets only locks. Prints `ready` when it listens, and a line a request."""

import os
import pickle
import sys

from cheroot import wsgi
from wsgidav.prop_man.property_manager import PropertyManager
from wsgidav.wsgidav_app import WsgiDAVApp


class KeptPropertyManager(PropertyManager):
    """Keeps properties in a file that is replaced as a whole: a server that is killed has all that it answered for.
    wsgidav's own one keeps them on a shelf of `dbm.dumb`, which loses every one if it is killed as it writes its index."""

    def __init__(self, path):
        super().__init__()
        self._path = path
        self._dict = {}
        if os.path.exists(path):
            with open(path, "rb") as kept:
                self._dict = pickle.load(kept)
        self._loaded = True

    def _sync(self):
        with open(self._path + ".new", "wb") as new:
            pickle.dump(self._dict, new)
        os.replace(new.name, self._path)


port, documents, properties, user, password = sys.argv[1:]
sys.stdout.reconfigure(encoding="utf-8")
application = WsgiDAVApp(
    {
        "provider_mapping": {"/": documents},
        "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
        "simple_dc": {"user_mapping": {"*": {user: {"password": password}}}},
        "property_manager": KeptPropertyManager(properties),
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
