package expect_test

import (
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/expect"
	"github.com/meshray/meshray/analyze/mesh"
)

const sinks = `{"name": "edge",
 "access_log": [
  {"name": "a", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
   "log_format": {"text_format_source": {"inline_string": "%PROTOCOL% %RESPONSE_CODE%\n"}}}},
  {"name": "b", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StderrAccessLog"}},
  {"name": "c", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig"}}],
 "filter_chains": [{"filters": [
  {"name": "tcp", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "x", "cluster": "c",
   "access_log": [
    {"name": "d", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": "/dev/stdout",
     "log_format": {"json_format": {"p": "%PROTOCOL%"}}}},
    {"name": "d", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": "/dev/stdout",
     "typed_json_format": {"p": "%PROTOCOL%"}}},
    {"name": "e", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": "x.log",
     "format": "%PROTOCOL"}},
    {"name": "f", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": "y.log",
     "log_format": {"text_format_source": {"filename": "/etc/format"}}}},
    {"name": "g", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig"}}]}}]}]}`

func listener(state mesh.State, raw string) *mesh.Resource {
	return &mesh.Resource{
		Kind: mesh.Listener, State: state,
		Content: &mesh.Content{Raw: []byte(raw), Name: "edge", TypeURL: mesh.Listener.TypeURL()},
	}
}

func TestFormatsOf(t *testing.T) {
	p := &mesh.Proxy{Config: mesh.Config{Listeners: []*mesh.Resource{
		listener(mesh.Active, sinks),
		listener(mesh.Warming, sinks), // the same formats again
		listener(mesh.Rejected, `{"name": "bad", "access_log": [{"name": "x"}]}`),
		{Kind: mesh.Listener, State: mesh.Rejected},
		listener(mesh.Active, `{"name": 1`),
	}}}
	formats, unread := expect.FormatsOf(p)
	var names []string
	for _, format := range formats {
		names = append(names, format.Name)
	}
	got := strings.Join(names, "\n") + "\n--\n" + strings.Join(unread, "\n")
	want := `listener edge to stdout
listener edge to stderr
listener edge to /dev/stdout
--
envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig writes no file that could be read here: what it sends is at its receiver
listener edge to x.log: reading an access log format: expected a percent sign that ends %PROTOCOL
listener edge to y.log: the format of its access log is in a file or variable that the capture does not have
envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig writes no file that could be read here: what it sends is at its receiver
`
	if !strings.HasPrefix(got, want) || len(unread) != 5 {
		t.Errorf("got\n%s\nwant\n%sand the listener that cannot be decoded", got, want)
	}
}
