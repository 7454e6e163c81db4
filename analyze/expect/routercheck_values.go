package expect

import (
	"encoding/json"
	"errors"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"gopkg.in/yaml.v3"

	"github.com/meshray/meshray/analyze/request"
)

// headerValues reads a list of envoy.config.core.v3.HeaderValue.
func (r *reader) headerValues(at *request.Headers, what string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		return r.list(n, what, func(n *yaml.Node) error {
			var header request.Header
			err := r.object(n, "a header", fields{
				"key":   r.text(&header.Name, "key"),
				"value": r.text(&header.Value, "value"),
			})
			if err == nil && header.Name == "" {
				err = r.fail(n, "expected a header to have a key")
			}
			*at = append(*at, header)
			return err
		})
	}
}

// headerMatchers reads a list of envoy.config.route.v3.HeaderMatcher.
func (r *reader) headerMatchers(at *[]*routev3.HeaderMatcher, what string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		return r.list(n, what, func(n *yaml.Node) error {
			text, err := r.json(n)
			if err != nil {
				return err
			}
			matcher := &routev3.HeaderMatcher{}
			if err := unmarshal(text, matcher); err != nil {
				return r.fail(n, "%s: expected an envoy.config.route.v3.HeaderMatcher: %w", what, err)
			}
			*at = append(*at, matcher)
			return nil
		})
	}
}

func (r *reader) json(n *yaml.Node) ([]byte, error) {
	value, err := r.plain(n, maxDepth)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, r.fail(n, "expected a value that JSON can hold: %w", err)
	}
	return text, nil
}

// dynamicMetadata reads a list of envoy.extensions.filters.http.set_metadata.v3.Metadata.
// Of values for one namespace the first stays, unless the next may overwrite it.
func (r *reader) dynamicMetadata(n *yaml.Node, in *RouterInput) error {
	return r.list(n, "dynamic_metadata", func(n *yaml.Node) error {
		var namespace string
		var overwrite bool
		var value structpb.Struct
		err := r.object(n, "dynamic_metadata", fields{
			"metadata_namespace": r.text(&namespace, "metadata_namespace"),
			"allow_overwrite":    r.flag(&overwrite, "allow_overwrite"),
			"value": func(n *yaml.Node) error {
				text, err := r.json(n)
				if err != nil {
					return err
				}
				if err := unmarshal(text, &value); err != nil {
					return r.fail(n, "expected value to be an object: %w", err)
				}
				return nil
			},
		})
		if err != nil {
			return err
		}
		in.setMetadata(namespace, &value, overwrite)
		return nil
	})
}

func (i *RouterInput) setMetadata(namespace string, value *structpb.Struct, overwrite bool) {
	if i.Metadata == nil {
		i.Metadata = map[string]*structpb.Struct{}
	}
	known := i.Metadata[namespace]
	if known == nil {
		i.Metadata[namespace] = value
		return
	}
	if overwrite {
		proto.Merge(known, value)
	}
}

func (r *reader) timeout(n *yaml.Node, a *RouterAssert) error {
	text, err := r.json(n)
	if err != nil {
		return err
	}
	var timeout durationpb.Duration
	if err := unmarshal(text, &timeout); err != nil {
		return r.fail(n, "expected timeout to be seconds such as \"1.5s\", got %s", text)
	}
	value := timeout.AsDuration()
	a.Timeout = &value
	return nil
}

func (r *reader) routeMetadata(n *yaml.Node, a *RouterAssert) error {
	return r.list(n, "route_metadata", func(n *yaml.Node) error {
		var m RouteMetadata
		err := r.object(n, "route_metadata", fields{
			"namespace": r.text(&m.Namespace, "namespace"),
			"key":       r.text(&m.Key, "key"),
			"value":     r.text(&m.Value, "value"),
		})
		a.RouteMetadata = append(a.RouteMetadata, m)
		return err
	})
}

// unmarshal is protojson.Unmarshal whose errors do not differ from build to build.
func unmarshal(text []byte, m proto.Message) error {
	err := protojson.Unmarshal(text, m)
	if err == nil {
		return nil
	}
	reason := strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\u00a0", " "), "proto: ")
	return errors.New(reason)
}
