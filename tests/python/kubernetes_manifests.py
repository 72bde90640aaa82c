"""Validates Kubernetes manifests, YAML documents on stdin, against the schemas of its API (PyPI: kubernetes-validate).

Prints the command of each container as a line of JSON. Exits with 3 if a package is missing."""

import json
import sys

try:
    import kubernetes_validate
    import yaml
except ImportError:
    sys.exit(3)

for manifest in yaml.safe_load_all(sys.stdin):
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)
    pod = manifest["spec"]["template"]["spec"]
    for container in pod["containers"]:
        for mount in container["volumeMounts"]:
            assert mount["name"] in [volume["name"] for volume in pod["volumes"]], mount
        if "command" in container:
            print(json.dumps(container["command"]))
