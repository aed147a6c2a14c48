"""Executes a state machine in moto, an implementation of Step Functions and S3 that is not ours.

Prints "ready URL". Then reads one line, {"definition": "…", "name": "…", "input": {…}}, executes it, and prints
{"status", "output", "error", "cause"}. Calls of the function go to BRIDGE; an answer with X-Failed is an error.
"""
import io, json, os, socket, sys, time, urllib.request, zipfile

port = socket.socket()
port.bind(("127.0.0.1", 0))
PORT = port.getsockname()[1]
port.close()
os.environ["MOTO_PORT"] = str(PORT)
os.environ.pop("AWS_ENDPOINT_URL", None)

import boto3
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.core.config import default_user_config
from moto.server import ThreadedMotoServer

default_user_config["stepfunctions"]["execute_state_machine"] = True
default_user_config["lambda"]["use_docker"] = False


def invoke(self, function_name, qualifier, body, headers, response_headers):
    data = body.encode() if isinstance(body, str) else body
    with urllib.request.urlopen(urllib.request.Request(os.environ["BRIDGE"], data=data)) as answer:
        if answer.headers.get("X-Failed"):
            response_headers["x-amz-function-error"] = "Unhandled"
        return answer.read()


LambdaSimpleBackend.invoke = invoke
ThreadedMotoServer(ip_address="127.0.0.1", port=PORT, verbose=False).start()
url = f"http://127.0.0.1:{PORT}"
print("ready", url, flush=True)

order = json.loads(sys.stdin.readline())
client = lambda name: boto3.client(name, endpoint_url=url)
role = client("iam").create_role(RoleName="role", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
code = io.BytesIO()
with zipfile.ZipFile(code, "w") as z:
    z.writestr("bootstrap", "not run: see invoke")
function = client("lambda").create_function(
    FunctionName="scan", Runtime="provided.al2023", Role=role, Handler="bootstrap", Code={"ZipFile": code.getvalue()}
)["FunctionArn"]
steps = client("stepfunctions")
machine = steps.create_state_machine(name="scan", definition=order["definition"].replace("${Function}", function), roleArn=role)
execution = steps.start_execution(stateMachineArn=machine["stateMachineArn"], name=order["name"], input=json.dumps(order["input"]))
while True:
    outcome = steps.describe_execution(executionArn=execution["executionArn"])
    if outcome["status"] != "RUNNING":
        break
    time.sleep(0.05)
print("outcome", json.dumps({key: outcome.get(key) for key in ("status", "output", "error", "cause")}), flush=True)
sys.stdin.read()  # results are asked for until stdin is closed
