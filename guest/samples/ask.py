"""Asks a policy component with nothing but the package wasmtime: python ask.py standard.wasm"""

import json
import sys

from wasmtime import Engine, Store
from wasmtime.component import Component, Linker, Record

INTERFACE = "openfunction:gateway/policy@0.1.0"


class Policy:
    """A component. Each question goes to a fresh instance, as it does in the host."""

    def __init__(self, file):
        self.engine = Engine()
        self.component = Component.from_file(self.engine, file)
        self.interface = self.component.get_export_index(INTERFACE)

    def ask(self, function, *arguments):
        store = Store(self.engine)
        instance = Linker(self.engine).instantiate(store, self.component)
        export = self.component.get_export_index(function, self.interface)
        return instance.get_func(store, export)(store, *arguments)


def record(**fields):
    """A record of the contract. Its fields are attributes; `class_name` here is `class-name` there."""
    made = Record()
    for field, value in fields.items():
        setattr(made, field.replace("_", "-"), value)
    return made


def name(namespace, name):
    return record(namespace=namespace, name=name)


policy = Policy(sys.argv[1])
ours, contour = name("openfunction", "openfunction"), name("projectcontour", "contour")
written = record(domain="ofn.io", cluster_domain="", host_template="", path_template="",
                 http_route_label_key="", gateway_ref=contour, gateway_def=None, listeners=[])
# None is an absent option, and a result is what is in it: here the spec, or a list of violations.
spec = policy.ask("default", record(name=ours, annotations=[], spec=written), None)
if isinstance(spec, list):
    sys.exit(json.dumps(spec, indent=2, default=vars))
seen = record(
    name=ours, annotations=[], settings=[], spec=spec,
    kubernetes_gateway=record(name=contour, labels=[], annotations=[], class_name="contour", generation=1,
                              written_generation=0, listeners=[], spec_rest="{}", addresses=[], conditions=[],
                              listener_statuses=[]),
    gateway_class=record(name="contour", controller_name="projectcontour.io/gateway-controller",
                         annotations=[], spec_rest="{}"),
    services=[record(name=name("projectcontour", "envoy"), labels=[], annotations=[], type="ClusterIP",
                     cluster_ips=["10.96.0.17"], ports=[record(name="http", port=80, protocol="TCP")])],
)
answers = {"describe": policy.ask("describe"), "default": spec, "decide": policy.ask("decide", seen)}
print(json.dumps(answers, indent=2, default=vars))
