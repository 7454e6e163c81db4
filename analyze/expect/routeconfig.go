package expect

import (
	"errors"
	"slices"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"gopkg.in/yaml.v3"

	"github.com/meshray/meshray/analyze/mesh/xds"
)

const routeConfigurationType = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"

// ReadRouteConfiguration reads a RouteConfiguration, YAML or JSON, as
// router_check_tool takes it: v3, or v2 of an older Envoy. File names it in errors,
// which are [FileError]s.
func ReadRouteConfiguration(data []byte, file string) (*routev3.RouteConfiguration, error) {
	config, err := routeConfiguration(data, file)
	if mistake := new(FileError); errors.As(err, &mistake) {
		mistake.Doing = "reading routes"
	}
	return config, err
}

func routeConfiguration(data []byte, file string) (*routev3.RouteConfiguration, error) {
	root, err := parseNodes(data, file)
	if err != nil {
		return nil, err
	}
	r := &reader{file: file}
	if root == nil || root.Kind != yaml.MappingNode {
		return nil, r.fail(&yaml.Node{Line: 1}, "expected a route configuration, an object with virtual_hosts")
	}
	text, err := r.json(root)
	if err != nil {
		return nil, err
	}
	decoded, err := xds.Decode(routeConfigurationType, text)
	if err != nil {
		return nil, r.fail(root, "expected a route configuration: %w", err)
	}
	config, ok := decoded.(*routev3.RouteConfiguration)
	if !ok || len(config.GetVirtualHosts()) == 0 {
		return nil, r.fail(root, "expected a route configuration, an object with virtual_hosts; one inside a dump is named by the dump and its name")
	}
	return config, nil
}

// IsRouterCheck reports whether a test file is one of router_check_tool, by the
// fields of its first test: test_name, input and validate, where those of a [Suite]
// have a request. A file that cannot be read is none.
func IsRouterCheck(data []byte) bool {
	root, err := parseNodes(data, "")
	if err != nil || root == nil {
		return false
	}
	tests := memberOf(root, "tests")
	if tests == nil || len(tests.Content) == 0 {
		return false
	}
	return slices.ContainsFunc([]string{"test_name", "input", "validate"}, func(key string) bool {
		return memberOf(tests.Content[0], key) != nil
	})
}

// memberOf is the value of a member of an object; nil where there is none.
func memberOf(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}
