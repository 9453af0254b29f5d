"""Reads and changes records as somebody else would: by zeep, with the WSDL that the service gives.

Arguments: the address, the operation, its arguments as JSON, and where the service wants them a user and a password.
Prints the answer as JSON, or the fault that there was."""

import json
import sys

from zeep import Client, Settings
from zeep.exceptions import Fault
from zeep.helpers import serialize_object
from zeep.wsse.username import UsernameToken

address, operation, arguments = sys.argv[1:4]
wsse = UsernameToken(*sys.argv[4:6], use_digest=True) if len(sys.argv) > 4 else None
client = Client(f"{address}?wsdl", wsse=wsse, settings=Settings(strict=False))
try:
    answer = serialize_object(client.service[operation](**json.loads(arguments)), dict)
    print(json.dumps(answer))
except Fault as fault:
    print(json.dumps({"fault": fault.code, "subcodes": [str(code) for code in fault.subcodes or []], "message": fault.message}))
