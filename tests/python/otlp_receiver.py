"""A strict receiver of OTLP metrics over HTTP, based on the official messages (PyPI: opentelemetry-proto).

With the argument `grpc` it receives over gRPC (PyPI: grpcio); with `grpc DIRECTORY` over TLS, where the directory has
the server's `server.pem` and `server.key`, and `ca.pem`, which must vouch for the client's certificate.

Prints `listening on PORT`, accepts one request, and prints its contents as one line of JSON: for each resource its
attributes and its points, each with the metric's name, type, unit, attributes and value. If the specification forbids
the request, it answers with 400 and prints {"error": ...}.
"""

import concurrent.futures
import gzip
import json
import pathlib
import queue
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as service
from opentelemetry.proto.metrics.v1 import metrics_pb2 as metrics

CUMULATIVE = metrics.AGGREGATION_TEMPORALITY_CUMULATIVE


class Wrong(Exception):
    """The specification forbids the request."""


def require(condition, problem):
    if not condition:
        raise Wrong(problem)


def attributes(pairs):
    """Attributes as a dict; each key may occur once."""
    found = {}
    for pair in pairs:
        require(pair.key and pair.key not in found, f"the key {pair.key!r} is empty or there twice")
        found[pair.key] = getattr(pair.value, pair.value.WhichOneof("value"))
    return found


def number(point):
    which = point.WhichOneof("value")
    require(which, "a point without a value")
    return getattr(point, which)


def distribution(point):
    """Count, sum (None if there is none), min and max, after a check of the buckets."""
    if hasattr(point, "explicit_bounds"):
        counted = sum(point.bucket_counts)
        bounds = list(point.explicit_bounds)
        require(len(point.bucket_counts) == len(bounds) + 1, "the buckets must be one more than the bounds")
        require(all(a < b for a, b in zip(bounds, bounds[1:])), "bounds ascend")
    else:
        counted = point.zero_count + sum(point.positive.bucket_counts) + sum(point.negative.bucket_counts)
    require(counted == point.count, f"buckets count {counted}, not {point.count}")
    optional = {name: getattr(point, name) if point.HasField(name) else None for name in ("sum", "min", "max")}
    require(optional["sum"] is None or optional["sum"] >= 0, "a negative sum")
    return {"count": point.count, **optional}


def points(metric):
    """The points of a metric: attributes and value."""
    kind = metric.WhichOneof("data")
    data = getattr(metric, kind)
    if kind != "gauge" and kind != "summary":
        require(data.aggregation_temporality == CUMULATIVE, "not cumulative")
    for point in data.data_points:
        require(0 <= point.start_time_unix_nano <= point.time_unix_nano, "times")
        if kind in ("gauge", "sum"):
            value = number(point)
            require(kind == "gauge" or not data.is_monotonic or value >= 0, "a negative count")
        elif kind == "summary":
            value = {"count": point.count, "sum": point.sum}
        else:
            value = distribution(point)
        name = "counter" if kind == "sum" and data.is_monotonic else kind
        yield {
            "name": metric.name,
            "type": name,
            "unit": metric.unit,
            "attributes": attributes(point.attributes),
            "value": value,
        }


def decoded(body):
    """The contents of a request."""
    request = service.ExportMetricsServiceRequest()
    request.ParseFromString(body)
    # Fields that are missing in the official messages would be lost here.
    require(request.ByteSize() == len(body), "unknown fields")
    found = []
    for resource in request.resource_metrics:
        own = attributes(resource.resource.attributes)
        require(own.get("service.name"), "no service.name")
        all_points = []
        for scope in resource.scope_metrics:
            names = [metric.name for metric in scope.metrics]
            require(len(set(names)) == len(names), "a metric occurs twice")
            for metric in scope.metrics:
                all_points.extend(points(metric))
        identities = [json.dumps([point["name"], point["attributes"]], sort_keys=True) for point in all_points]
        require(len(set(identities)) == len(identities), "a point occurs twice")
        found.append({"resource": own, "points": all_points})
    return found


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        try:
            require(self.path == "/v1/metrics", f"the path {self.path}")
            require(self.headers["Content-Type"] == "application/x-protobuf", "the content type")
            status, said = 200, decoded(body)
        except Exception as error:  # pylint: disable=broad-except
            status, said = 400, {"error": str(error)}
        print(json.dumps(said), flush=True)
        answer = service.ExportMetricsServiceResponse().SerializeToString()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format, *args):  # pylint: disable=redefined-builtin
        """Prints nothing."""


def serve_http():
    """Serves one request over HTTP."""
    server = HTTPServer(("127.0.0.1", 0), Handler)
    print(f"listening on {server.server_port}", flush=True)
    server.handle_request()


def serve_grpc(directory=None):
    """Serves one call, or gives up after a minute."""
    import grpc  # pylint: disable=import-outside-toplevel
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as stubs

    done = queue.Queue()

    class Metrics(stubs.MetricsServiceServicer):
        def Export(self, request, context):  # pylint: disable=invalid-name
            try:
                print(json.dumps(decoded(request.SerializeToString())), flush=True)
            except Exception as error:  # pylint: disable=broad-except
                print(json.dumps({"error": str(error)}), flush=True)
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            finally:
                done.put(None)
            return service.ExportMetricsServiceResponse()

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    stubs.add_MetricsServiceServicer_to_server(Metrics(), server)
    if directory:
        key, own, authority = (
            pathlib.Path(directory, name).read_bytes() for name in ("server.key", "server.pem", "ca.pem")
        )
        credentials = grpc.ssl_server_credentials([(key, own)], authority, require_client_auth=True)
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"listening on {port}", flush=True)
    try:
        done.get(timeout=60)
    except queue.Empty:
        pass
    server.stop(5).wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["grpc"]:
        serve_grpc(*sys.argv[2:])
    else:
        serve_http()
