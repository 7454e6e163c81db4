package replay

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filelogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
)

// AccessLogPath is the access log within a folder; Envoy writes it.
const AccessLogPath = "access.log"

// CaseHeader is the request header whose value the access log carries as "id".
const CaseHeader = "x-meshray-case"

// The values of "kind" in the access log: who wrote a line.
const (
	httpLog     = "http"
	tcpLog      = "tcp"
	listenerLog = "listener"
)

// accessLogFields are the JSON members of a line and Envoy's operators for them.
// They are such as older versions of Envoy know, too.
var accessLogFields = map[string]string{
	"id":           "%REQ(" + CaseHeader + ")%",
	"client":       "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%",
	"local":        "%DOWNSTREAM_LOCAL_ADDRESS%",
	"status":       "%RESPONSE_CODE%",
	"flags":        "%RESPONSE_FLAGS%",
	"details":      "%RESPONSE_CODE_DETAILS%",
	"termination":  "%CONNECTION_TERMINATION_DETAILS%",
	"tls_failure":  "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%",
	"filter_chain": "%FILTER_CHAIN_NAME%",
	"virtual_host": "%METADATA(ROUTE:" + metadataNamespace + ":" + metadataHost + ")%",
	"route":        "%ROUTE_NAME%",
	"cluster":      "%UPSTREAM_CLUSTER%",
	"upstream":     "%UPSTREAM_HOST%",
	"sni":          "%REQUESTED_SERVER_NAME%",
}

// AccessLogConfig is the access log that a folder uses, in Envoy's form. kind is
// "http", "tcp" or "listener", and becomes a member of every line.
func AccessLogConfig(kind string) *accesslogv3.AccessLog {
	fields := map[string]*structpb.Value{"kind": structpb.NewStringValue(kind)}
	for name, operator := range accessLogFields {
		fields[name] = structpb.NewStringValue(operator)
	}
	config := &filelogv3.FileAccessLog{
		Path: "./" + AccessLogPath,
		AccessLogFormat: &filelogv3.FileAccessLog_LogFormat{LogFormat: &corev3.SubstitutionFormatString{
			Format: &corev3.SubstitutionFormatString_JsonFormat{JsonFormat: &structpb.Struct{Fields: fields}},
		}},
	}
	return &accesslogv3.AccessLog{
		Name:       "envoy.access_loggers.file",
		ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: mustPack(config)},
	}
}

func accessLog(kind string) []*accesslogv3.AccessLog {
	return []*accesslogv3.AccessLog{AccessLogConfig(kind)}
}

// mustPack packs a message of this package's own making, which always can be.
func mustPack(m proto.Message) *anypb.Any {
	packed := &anypb.Any{}
	if err := packed.MarshalFrom(m); err != nil {
		panic(err)
	}
	return packed
}
