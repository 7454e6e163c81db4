package replay

import (
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	transcoderv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/grpc_json_transcoder/v3"
	"google.golang.org/protobuf/proto"
)

// The reasons to leave an extension out.
const (
	codeElsewhere = "its code is not in the capture"
	needsOutside  = "it needs a service that no stub can stand for"
	resolvesNames = "it connects to where names lead, and everything here stays on loopback"
	needsRoot     = "it needs the right to fake source addresses"
	touchesFiles  = "it reads or writes files of this machine"
	stopsEnvoy    = "it can stop Envoy"
	unconfined    = "Lua runs unconfined; --lua keeps it where the capture is trusted"
	notBuilt      = "Envoy's releases are built without it"
	noSuchType    = "Envoy's own API has no such type"
)

// unrunnable says why an extension cannot run here; "" where it can.
func (b *builder) unrunnable(config proto.Message) string {
	if c, ok := config.(*transcoderv3.GrpcJsonTranscoder); ok && c.GetProtoDescriptor() != "" {
		return touchesFiles
	}
	name := string(config.ProtoReflect().Descriptor().FullName())
	if strings.Contains(name, ".lua.") {
		if b.opts.Lua {
			return ""
		}
		return unconfined
	}
	for _, row := range unrunnableParts {
		if strings.Contains(name, row.part) {
			return row.why
		}
	}
	return ""
}

// unrunnableParts are parts of the full names of configurations that never run here.
var unrunnableParts = []struct{ part, why string }{
	{".wasm.", codeElsewhere},
	{".golang.", codeElsewhere},
	{".dynamic_modules.", codeElsewhere},
	{".ext_proc.", needsOutside},
	{".rate_limit_quota.", needsOutside},
	{".oauth2.", needsOutside},
	{".gcp_authn.", needsOutside},
	{".aws_", needsOutside},
	{".credential_injector.", needsOutside},
	{".dynamic_forward_proxy.", resolvesNames},
	{".sni_dynamic_forward_proxy.", resolvesNames},
	{".reverse_tunnel.", resolvesNames},
	{".http_11_proxy.", resolvesNames},
	{".alternate_protocols_cache.", resolvesNames},
	{".original_src.", needsRoot},
	{".tap.", touchesFiles},
	{".file_server.", touchesFiles},
	{".file_system_buffer.", touchesFiles},
	{".http.cache", touchesFiles},
	{".geoip", touchesFiles},
	{".kill_request.", stopsEnvoy},
	{".header_validators.", notBuilt},
}

// staysHere reports whether a gRPC service is one of the capture's clusters, which
// have stubs; Google's client would connect to the outside.
func staysHere(service *corev3.GrpcService) bool { return service.GetGoogleGrpc() == nil }
