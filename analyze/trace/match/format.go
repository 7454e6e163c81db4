package match

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/meshray/meshray/analyze/request"
)

// formatCommand is a command of Envoy's format strings: a name, arguments, and a
// maximum length in bytes.
var formatCommand = regexp.MustCompile(`^%([A-Z0-9_]+)(?:\((.*?)\))?(?::([0-9]+))?%`)

// Format is a compiled format string, as in the values of headers to add:
// "%REQ(x-user)%-%PROTOCOL%".
type Format struct {
	parts []formatPart
	// Unknown names the commands about what is not known before a request ran;
	// they stay in the text as they are.
	Unknown []string
}

// formatPart is a text, or a value where value is set.
type formatPart struct {
	text  string
	value func(*Attributes) inputValue
	limit int // of the value in bytes; -1 for none
}

// CompileFormat prepares a format string.
func CompileFormat(text string) *Format {
	f := &Format{}
	for text != "" {
		percent := strings.IndexByte(text, '%')
		if percent < 0 {
			f.literal(text)
			return f
		}
		f.literal(text[:percent])
		text = text[percent:]
		switch command := formatCommand.FindStringSubmatch(text); {
		case strings.HasPrefix(text, "%%"):
			f.literal("%")
			text = text[2:]
		case command == nil:
			f.literal("%")
			text = text[1:]
		default:
			f.command(command)
			text = text[len(command[0]):]
		}
	}
	return f
}

func (f *Format) literal(text string) {
	if n := len(f.parts); n > 0 && f.parts[n-1].value == nil {
		f.parts[n-1].text += text
		return
	}
	if text != "" {
		f.parts = append(f.parts, formatPart{text: text})
	}
}

func (f *Format) command(command []string) {
	value := formatValue(command[1], command[2])
	if value == nil {
		f.Unknown = append(f.Unknown, command[0])
		f.literal(command[0])
		return
	}
	limit := -1
	if n, err := strconv.Atoi(command[3]); err == nil {
		limit = n
	}
	f.parts = append(f.parts, formatPart{value: value, limit: limit})
}

// Apply fills a format in. A value that is not there is empty.
func (f *Format) Apply(a *Attributes) string { return f.apply(a, "") }

// apply is Apply with what stands for a value that is not there.
func (f *Format) apply(a *Attributes, missing string) string {
	if len(f.parts) == 1 && f.parts[0].value == nil {
		return f.parts[0].text
	}
	var out strings.Builder
	for _, part := range f.parts {
		out.WriteString(part.textFor(a, missing))
	}
	return out.String()
}

func (p *formatPart) textFor(a *Attributes, missing string) string {
	if p.value == nil {
		return p.text
	}
	v := p.value(a)
	if !v.found {
		v.text = missing
	}
	if p.limit >= 0 && len(v.text) > p.limit {
		return v.text[:p.limit]
	}
	return v.text
}

// formatValue is what a command stands for; nil for one that is not known.
func formatValue(name, argument string) func(*Attributes) inputValue {
	switch name {
	case "REQ":
		return requestHeader(argument)
	case "PROTOCOL":
		return func(a *Attributes) inputValue { return known(a.Protocol) }
	case "REQUESTED_SERVER_NAME":
		return func(a *Attributes) inputValue { return known(a.SNI) }
	case "DOWNSTREAM_PEER_URI_SAN":
		return func(a *Attributes) inputValue { return known(strings.Join(a.PeerURISANs, ",")) }
	}
	if argument != "" {
		return nil
	}
	return addressValue(name)
}

// addressValue is a command about an address of the connection.
func addressValue(name string) func(*Attributes) inputValue {
	switch name {
	case "DOWNSTREAM_REMOTE_ADDRESS":
		return func(a *Attributes) inputValue { return addressAndPort(a.Source) }
	case "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT":
		return func(a *Attributes) inputValue { return address(a.Source) }
	case "DOWNSTREAM_DIRECT_REMOTE_ADDRESS":
		return func(a *Attributes) inputValue { return addressAndPort(a.DirectSource) }
	case "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT":
		return func(a *Attributes) inputValue { return address(a.DirectSource) }
	case "DOWNSTREAM_LOCAL_ADDRESS":
		return func(a *Attributes) inputValue { return addressAndPort(a.Destination) }
	case "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT":
		return func(a *Attributes) inputValue { return address(a.Destination) }
	case "DOWNSTREAM_LOCAL_PORT":
		return func(a *Attributes) inputValue { return port(a.Destination) }
	}
	return nil
}

func addressAndPort(a netip.AddrPort) inputValue {
	if !a.Addr().IsValid() {
		return inputValue{}
	}
	return known(netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String())
}

// requestHeader is a header, or where it is missing another one: "X?Y".
func requestHeader(names string) func(*Attributes) inputValue {
	name, alternative, _ := strings.Cut(names, "?")
	name, alternative = headerName(name), headerName(alternative)
	return func(a *Attributes) inputValue {
		value, found := firstLine(a.Headers, name)
		if !found {
			value, found = firstLine(a.Headers, alternative)
		}
		return inputValue{text: value, found: found}
	}
}

// firstLine is the first header line of a name, as Envoy has them after it read the
// request.
func firstLine(headers request.Headers, name string) (value string, found bool) {
	if isJoined(name) {
		return headers.Get(name)
	}
	for _, header := range headers {
		if strings.EqualFold(header.Name, name) {
			return header.Value, true
		}
	}
	return "", false
}
