package expect

import (
	"fmt"
	"slices"
	"strings"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	filev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	streamv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/stream/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/meshray/meshray/analyze/mesh"
)

// FormatsOf returns the formats in which the listeners of a proxy write access
// logs, each once, in the order of the listeners; Name says where one is used.
// Unread says, each once, why other access logs cannot be read: their format is
// damaged, or they go to a server and are in no file.
func FormatsOf(p *mesh.Proxy) (formats []*Format, unread []string) {
	c := &collector{known: map[string]bool{}}
	for _, resource := range p.Listeners {
		if resource.State == mesh.Rejected || resource.Content == nil {
			continue
		}
		listener, err := resource.Listener()
		if err != nil {
			c.note(err.Error())
			continue
		}
		c.listener(listener)
	}
	return c.formats, c.unread
}

type collector struct {
	formats []*Format
	unread  []string
	known   map[string]bool // formats and notes that were met
}

func (c *collector) listener(listener *listenerv3.Listener) {
	where := "listener " + listener.GetName()
	c.logs(where, listener.GetAccessLog())
	for _, chain := range mesh.FilterChains(listener) {
		for _, filter := range mesh.NetworkFilters(chain) {
			// Connection managers, TCP proxies and others have the same field.
			if logger, ok := filter.Config.(interface {
				GetAccessLog() []*accesslogv3.AccessLog
			}); ok {
				c.logs(where, logger.GetAccessLog())
			}
		}
	}
}

func (c *collector) logs(where string, logs []*accesslogv3.AccessLog) {
	for _, log := range logs {
		sink := mesh.Unpack(log.GetName(), log.GetTypedConfig())
		c.sink(where, sink)
	}
}

func (c *collector) sink(where string, sink mesh.Filter) {
	switch config := sink.Config.(type) {
	case *filev3.FileAccessLog:
		c.file(where+" to "+config.GetPath(), config)
	case *streamv3.StdoutAccessLog:
		c.substitution(where+" to stdout", config.GetLogFormat())
	case *streamv3.StderrAccessLog:
		c.substitution(where+" to stderr", config.GetLogFormat())
	default:
		kind := sink.TypeURL[strings.LastIndexByte(sink.TypeURL, '/')+1:]
		if kind == "" {
			kind = sink.Name
		}
		c.note(fmt.Sprintf("%s writes no file that could be read here: what it sends is at its receiver", kind))
	}
}

func (c *collector) file(where string, config *filev3.FileAccessLog) {
	switch format := config.GetAccessLogFormat().(type) {
	case *filev3.FileAccessLog_Format:
		c.text(where, format.Format)
	case *filev3.FileAccessLog_JsonFormat:
		c.dictionary(where, format.JsonFormat)
	case *filev3.FileAccessLog_TypedJsonFormat:
		c.dictionary(where, format.TypedJsonFormat)
	default:
		c.substitution(where, config.GetLogFormat())
	}
}

// substitution adds a format; nil is Envoy's default.
func (c *collector) substitution(where string, format *corev3.SubstitutionFormatString) {
	switch kind := format.GetFormat().(type) {
	case *corev3.SubstitutionFormatString_TextFormat:
		c.text(where, kind.TextFormat)
	case *corev3.SubstitutionFormatString_JsonFormat:
		c.dictionary(where, kind.JsonFormat)
	case *corev3.SubstitutionFormatString_TextFormatSource:
		c.source(where, kind.TextFormatSource)
	default:
		c.text(where, envoyDefault)
	}
}

func (c *collector) source(where string, source *corev3.DataSource) {
	switch kind := source.GetSpecifier().(type) {
	case *corev3.DataSource_InlineString:
		c.text(where, kind.InlineString)
	case *corev3.DataSource_InlineBytes:
		c.text(where, string(kind.InlineBytes))
	default:
		c.note(where + ": the format of its access log is in a file or variable that the capture does not have")
	}
}

func (c *collector) text(where, text string) {
	if text == "" {
		text = envoyDefault // as Envoy reads an empty format
	}
	c.add(where, "text "+strings.TrimSpace(text), func() (*Format, error) { return CompileFormat(text) })
}

func (c *collector) dictionary(where string, dictionary *structpb.Struct) {
	key, err := proto.MarshalOptions{Deterministic: true}.Marshal(dictionary)
	if err != nil {
		c.note(fmt.Sprintf("%s: %v", where, err))
		return
	}
	c.add(where, "json "+string(key), func() (*Format, error) { return CompileJSONFormat(dictionary) })
}

// add compiles a format unless one with the same key is known.
func (c *collector) add(where, key string, compile func() (*Format, error)) {
	if c.known[key] {
		return
	}
	c.known[key] = true
	format, err := compile()
	if err != nil {
		c.note(fmt.Sprintf("%s: %v", where, err))
		return
	}
	format.Name = where
	c.formats = append(c.formats, format)
}

func (c *collector) note(text string) {
	if !slices.Contains(c.unread, text) {
		c.unread = append(c.unread, text)
	}
}
