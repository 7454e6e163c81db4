package main

import (
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace"
)

const requestCategory = "Request"

// The output formats of trace beside those of proxy-config.
const (
	textFormat     = "text"
	mermaidFormat  = "mermaid"
	markdownFormat = "markdown"
	ndjsonFormat   = "ndjson"
)

func traceCommand(e env) *cli.Command {
	return &cli.Command{
		Name:      "trace",
		Usage:     "follow a request through listener, filter chain, route, cluster and endpoint, and say why",
		ArgsUsage: "[PROXY] URL",
		Description: "URL is as for curl; tcp://HOST:PORT is a connection without HTTP, tls://HOST:PORT one with TLS that the\n" +
			"client itself speaks, grpc://HOST:PORT/SERVICE/METHOD a gRPC call. Without a scheme it is http.\n\n" +
			"Examples:\n" +
			"   meshray trace -f bug-report.tar.gz productpage http://reviews:9080/ratings/7 -H 'end-user: jason'\n" +
			"   meshray trace -f config_dump.json https://shop.example.com/cart --why\n" +
			"   meshray trace -f bundle.tar.gz reviews-v1 http://reviews:9080/ --direction inbound --source-principal spiffe://cluster.local/ns/default/sa/web\n" +
			"   meshray trace -f bundle.tar.gz --requests requests.jsonl -o ndjson\n" +
			"   meshray trace -f bundle.tar.gz productpage --access-log access.log\n" +
			"   meshray trace -f bundle.tar.gz --all-from productpage\n" +
			"   meshray trace -f bundle.tar.gz --to reviews:9080",
		Flags: append(append(openFlags(), traceFlags()...), displayFlags()...),
		Action: func(c *cli.Context) error {
			mode, err := traceModeOf(c)
			if err != nil {
				return err
			}
			return mode.run(c, e)
		},
	}
}

func traceFlags() []cli.Flag {
	return append(requestFlags(),
		&cli.BoolFlag{Name: "why", Category: outputCategory, DisableDefaultText: true, Usage: "show what was passed over, and the first condition of it that failed"},
		&cli.StringFlag{Name: "requests", Category: requestCategory, Usage: "answer the requests in `FILE`, a JSON object a line, - for standard input"},
		&cli.StringFlag{Name: "access-log", Category: requestCategory, Usage: "replay the access log in `FILE`, - for standard input, \"capture\" for the logs in the capture"},
		&cli.StringFlag{Name: "log-format", Category: requestCategory, Usage: "the `FORMAT` string of the access log; found out by itself where it is Istio's, Envoy's, or in the proxy's listeners"},
		&cli.StringFlag{Name: "all-from", Category: requestCategory, Usage: "what `PROXY` can reach: every host and port that it knows, with the verdict"},
		&cli.StringFlag{Name: "to", Category: requestCategory, Usage: "which proxies reach `HOST`, with or without a port, and why others do not"},
		outputFlag(textFormat, wideFormat, jsonFormat, yamlFormat, ndjsonFormat, mermaidFormat, markdownFormat))
}

// requestFlags describe one request beside its URL.
func requestFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "request", Aliases: []string{"X"}, Category: requestCategory, Usage: "the `METHOD` (default: GET, POST for gRPC)"},
		&cli.StringSliceFlag{Name: "header", Aliases: []string{"H"}, Category: requestCategory, Usage: "a header, `'NAME: VALUE'`; may be repeated"},
		&cli.StringFlag{Name: "dest", Category: requestCategory, Usage: "the `IP:PORT` that the client connects to (default: what the capture resolves the host to)"},
		&cli.StringFlag{Name: "protocol", Category: requestCategory, Usage: "speak `PROTOCOL`: http/1.0, http/1.1, h2, grpc or tcp (default: by the URL)"},
		&cli.BoolFlag{Name: "tls", Category: requestCategory, DisableDefaultText: true, Usage: "the client speaks TLS, whatever the URL says"},
		&cli.BoolFlag{Name: "plaintext", Category: requestCategory, DisableDefaultText: true, Usage: "the client speaks cleartext, whatever the URL says"},
		&cli.StringFlag{Name: "sni", Category: requestCategory, Usage: "the server `NAME` in the TLS handshake (default: the host)"},
		&cli.StringSliceFlag{Name: "alpn", Category: requestCategory, Usage: "a `PROTOCOL` offered in the TLS handshake; may be repeated"},
		&cli.StringFlag{Name: "source-ip", Category: requestCategory, Usage: "the client's `IP`, with or without a port"},
		&cli.StringFlag{Name: "direct-source-ip", Category: requestCategory, Usage: "the `IP` that really connects, where a load balancer with the PROXY protocol stands between"},
		&cli.StringFlag{Name: "source-principal", Category: requestCategory, Usage: "the SPIFFE `ID` in the client's certificate"},
		&cli.StringFlag{Name: "direction", Category: requestCategory, Usage: "`SIDE` of the proxy that the connection enters: outbound, inbound or gateway (default: by the kind of proxy and the destination)"},
		&cli.Uint64Flag{Name: "random-value", Category: requestCategory, DefaultText: "every choice is followed", Usage: "decide weighted clusters and fractions by `N`, as Envoy does with its random value"},
	}
}

// traceMode is one of the things that trace does.
type traceMode interface {
	run(c *cli.Context, e env) error
}

// traceModeOf tells by flags what is asked for; more than one thing is a usage error.
func traceModeOf(c *cli.Context) (traceMode, error) {
	modes := map[string]traceMode{
		"requests": requestsMode{}, "access-log": accessLogMode{}, "all-from": allFromMode{}, "to": toMode{},
	}
	var mode traceMode = oneRequest{}
	name := ""
	for _, candidate := range []string{"requests", "access-log", "all-from", "to"} {
		if !c.IsSet(candidate) {
			continue
		}
		if name != "" {
			return nil, usageError{message: fmt.Sprintf("--%s and --%s are two questions: ask one", name, candidate)}
		}
		mode, name = modes[candidate], candidate
	}
	if c.String("output") == wideFormat && name != "all-from" && name != "to" {
		return nil, usageError{message: "output format wide is for --all-from and --to"}
	}
	return mode, nil
}

// oneRequest traces the request of the command line.
type oneRequest struct{}

func (oneRequest) run(c *cli.Context, e env) error {
	name, target, err := proxyAndTarget(c)
	if err != nil {
		return err
	}
	req, direction, err := requestOf(c, target)
	if err != nil {
		return err
	}
	talk := e.conversation(c.Bool("quiet"))
	capture, err := openCapture(c, e, talk)
	if err != nil {
		return err
	}
	p, err := findProxy(c, capture, name)
	if err != nil {
		return err
	}
	options, err := traceOptions(c)
	if err != nil {
		return err
	}
	answer, err := trace.New(capture).Trace(p, req, direction, options)
	if err != nil {
		return usageError{message: err.Error()}
	}
	return e.page(c.Bool("no-pager"), func(w io.Writer) error { return writeTrace(w, c, e, answer) })
}

func traceOptions(c *cli.Context) (trace.Options, error) {
	options := trace.Options{Why: c.Bool("why") || c.String("output") != textFormat}
	if text := c.String("direct-source-ip"); text != "" {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return options, usageError{message: fmt.Sprintf("invalid value %q for flag --direct-source-ip: want an IP address", text)}
		}
		options.DirectSource = ip.Unmap()
	}
	return options, nil
}

// proxyAndTarget takes the arguments apart: the URL is the last.
func proxyAndTarget(c *cli.Context) (proxy, target string, err error) {
	switch c.NArg() {
	case 1:
		return "", c.Args().First(), nil
	case 2:
		return c.Args().First(), c.Args().Get(1), nil
	case 0:
		return "", "", usageError{message: "no request is named", hint: "name a URL, as in 'meshray trace productpage http://reviews:9080/'"}
	}
	return "", "", usageError{message: fmt.Sprintf("want a proxy and a URL, got %d arguments: %s", c.NArg(), strings.Join(c.Args().Slice(), " ")),
		hint: "quote a header that has spaces: -H 'end-user: jason'; the capture is named with --file"}
}

// requestOf builds the request of the command line.
func requestOf(c *cli.Context, target string) (request.Request, request.Direction, error) {
	direction := request.Direction(c.String("direction"))
	switch direction {
	case "", request.Outbound, request.Inbound, request.AtGateway:
	default:
		return request.Request{}, "", usageError{message: fmt.Sprintf("invalid value %q for flag --direction: want outbound, inbound or gateway", direction)}
	}
	req, err := request.Parse(target)
	if err != nil {
		return req, "", usageError{message: err.Error()}
	}
	if method := c.String("request"); method != "" {
		req.Method = method
	}
	if protocol := c.String("protocol"); protocol != "" {
		req.Protocol = protocol
	}
	for _, line := range c.StringSlice("header") {
		name, value, found := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); !found || name == "" {
			return req, "", usageError{message: fmt.Sprintf("invalid value %q for flag --header: want 'NAME: VALUE'", line)}
		}
		if strings.EqualFold(name, "host") {
			req.Authority = strings.TrimSpace(value)
			continue
		}
		req.Headers = append(req.Headers, request.Header{Name: strings.ToLower(name), Value: strings.TrimSpace(value)})
	}
	req.To, req.From = c.String("dest"), c.String("source-ip")
	if c.IsSet("random-value") {
		random := c.Uint64("random-value")
		req.Random = &random
	}
	setTLS(c, &req, direction)
	if err := req.Check(); err != nil {
		return req, "", usageError{message: err.Error()}
	}
	return req, direction, nil
}

// setTLS gives the request the handshake that the flags describe. A principal at
// the inbound side of a sidecar means the handshake of another sidecar.
func setTLS(c *cli.Context, req *request.Request, direction request.Direction) {
	principal := c.String("source-principal")
	if c.Bool("tls") || c.IsSet("sni") || c.IsSet("alpn") || principal != "" {
		if req.TLS == nil {
			req.TLS = &request.TLS{SNI: hostOf(req.Authority)}
			if principal != "" && direction == request.Inbound {
				req.TLS.ALPN = trace.SidecarALPN(req)
			}
		}
	}
	if c.Bool("plaintext") {
		req.TLS, req.Scheme = nil, strings.Replace(req.Scheme, "https", "http", 1)
	}
	if req.TLS == nil {
		return
	}
	req.TLS.ClientURISAN = principal
	if c.IsSet("sni") {
		req.TLS.SNI = c.String("sni")
	}
	if c.IsSet("alpn") {
		req.TLS.ALPN = splitList(c.StringSlice("alpn"))
	}
}

func hostOf(authority string) string {
	host, _, found := strings.Cut(authority, ":")
	if !found || strings.HasPrefix(authority, "[") {
		return authority
	}
	return host
}

// proxyNamed finds a proxy for a mode that takes one argument.
func proxyNamed(c *cli.Context, capture *mesh.Capture) (*mesh.Proxy, error) {
	if c.NArg() > 1 {
		return nil, usageError{message: fmt.Sprintf("want one proxy, got %d: %s", c.NArg(), strings.Join(c.Args().Slice(), " "))}
	}
	return findProxy(c, capture, c.Args().First())
}
