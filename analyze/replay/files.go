package replay

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"github.com/meshray/meshray/analyze/mesh/xds"
)

// version is what the files tell Envoy as version_info: there is only one.
const version = "replay"

// maxFileName bounds a file's name in bytes, without folder and extension.
const maxFileName = 80

// writeMessage adds a message as a JSON file.
func (b *builder) writeMessage(path string, m proto.Message) error {
	text, err := xds.JSON(m, "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	b.files = append(b.files, File{Path: path, Data: append(text, '\n')})
	return nil
}

// writeResources adds a file in the form that Envoy reads resources from: a
// DiscoveryResponse.
func (b *builder) writeResources(path, typeURL string, resources []proto.Message) error {
	response := &discoveryv3.DiscoveryResponse{VersionInfo: version, TypeUrl: typeURL}
	for _, resource := range resources {
		packed, err := anypb.New(resource)
		if err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
		response.Resources = append(response.Resources, packed)
	}
	return b.writeMessage(path, response)
}

// fileNames are the file names given out, in lower case: some file systems do not
// tell cases apart.
type fileNames map[string]bool

// of makes a file name in a folder for a resource, whatever its name holds.
func (n fileNames) of(folder, resource string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '.':
			return r
		}
		return '_'
	}, resource)
	clean = strings.TrimLeft(clean[:min(len(clean), maxFileName)], ".")
	if clean == "" {
		clean = "unnamed"
	}
	path := folder + "/" + clean + ".json"
	for i := 2; n[strings.ToLower(path)]; i++ {
		path = fmt.Sprintf("%s/%s-%d.json", folder, clean, i)
	}
	n[strings.ToLower(path)] = true
	return path
}
