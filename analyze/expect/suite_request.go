package expect

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/meshray/meshray/analyze/request"
)

// request reads a request: a url, then the fields that say more.
func (r *reader) request(n *yaml.Node, q *request.Request) error {
	var address string
	var tls *request.TLS
	set := *q
	err := r.object(n, "the request", fields{
		"url":       r.text(&address, "url"),
		"to":        r.text(&set.To, "to"),
		"from":      r.text(&set.From, "from"),
		"protocol":  r.text(&set.Protocol, "protocol"),
		"method":    r.text(&set.Method, "method"),
		"scheme":    r.text(&set.Scheme, "scheme"),
		"authority": r.text(&set.Authority, "authority"),
		"path":      r.text(&set.Path, "path"),
		"headers":   func(n *yaml.Node) error { return r.headers(n, &set.Headers) },
		"tls": func(n *yaml.Node) error {
			tls = &request.TLS{}
			return r.object(n, "tls", fields{
				"sni":            r.text(&tls.SNI, "sni"),
				"alpn":           r.texts(&tls.ALPN, "alpn"),
				"client_uri_san": r.text(&tls.ClientURISAN, "client_uri_san"),
			})
		},
		"random": func(n *yaml.Node) error {
			set.Random = new(uint64)
			return r.unsigned(set.Random, "random")(n)
		},
	})
	if err != nil {
		return err
	}
	if address != "" {
		if err := fromURL(address, q); err != nil {
			return r.fail(n, "%w", err)
		}
	}
	overlay(q, &set, tls)
	if q.Authority == "" && q.To == "" {
		return r.fail(n, "expected the request to have a url, or an authority, or a destination in to")
	}
	if err := q.Check(); err != nil {
		return r.fail(n, "%w", err)
	}
	return nil
}

// overlay puts the fields that are set over those of the url.
func overlay(q, set *request.Request, tls *request.TLS) {
	for _, field := range []struct{ to, from *string }{
		{&q.To, &set.To}, {&q.From, &set.From}, {&q.Protocol, &set.Protocol}, {&q.Method, &set.Method},
		{&q.Scheme, &set.Scheme}, {&q.Authority, &set.Authority}, {&q.Path, &set.Path},
	} {
		if *field.from != "" {
			*field.to = *field.from
		}
	}
	q.Headers, q.Random = set.Headers, set.Random
	if tls != nil {
		q.TLS = tls
	}
}

// headers reads an object whose values are a text, or a list of texts.
func (r *reader) headers(n *yaml.Node, at *request.Headers) error {
	return r.members(n, "headers", func(key, value *yaml.Node) error {
		node, err := r.resolve(value)
		if err != nil {
			return err
		}
		what := fmt.Sprintf("header %q", key.Value)
		var values []string
		if node.Kind == yaml.SequenceNode {
			err = r.texts(&values, what)(value)
		} else {
			values = make([]string, 1)
			err = r.text(&values[0], what)(value)
		}
		for _, v := range values {
			*at = append(*at, request.Header{Name: key.Value, Value: v})
		}
		return err
	})
}

// fromURL reads scheme://authority/path?query: http, https (TLS with the host as
// SNI), grpc, or tcp (an authority alone). An authority that is an IP address and
// a port is where the connection goes as well.
func fromURL(text string, q *request.Request) error {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" {
		return fmt.Errorf("url %q: expected one such as http://reviews:9080/path", text)
	}
	q.Authority = parsed.Host
	switch parsed.Scheme {
	case "http":
	case "https":
		q.Scheme, q.TLS = "https", &request.TLS{SNI: sniOf(parsed.Hostname())}
	case "grpc":
		q.Protocol, q.Method = request.GRPC, "POST"
	case "tcp":
		q.Protocol = request.TCP
	default:
		return fmt.Errorf("url %q: expected the scheme http, https, grpc or tcp", text)
	}
	if addr, err := netip.ParseAddrPort(parsed.Host); err == nil {
		q.To = addr.String()
	}
	if q.IsTCP() {
		return nil
	}
	q.Path = rawPath(text)
	return nil
}

// sniOf is the name in a ClientHello: none for an IP address.
func sniOf(host string) string {
	if net.ParseIP(host) != nil {
		return ""
	}
	return strings.ToLower(host)
}

// rawPath is the path and query of a url as they are written, since Envoy's
// normalisation is what is looked at.
func rawPath(text string) string {
	_, rest, _ := strings.Cut(text, "://")
	at := strings.IndexAny(rest, "/?#")
	if at < 0 {
		return "/"
	}
	path, _, _ := strings.Cut(rest[at:], "#")
	if !strings.HasPrefix(path, "/") {
		return "/" + path
	}
	return path
}
