package xds

import (
	"bytes"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// JSON writes m as protojson does, in camelCase, but the same every time: protojson varies its blanks
// on purpose. An empty indent gives one line; there is no newline at the end.
func JSON(m proto.Message, indent string) ([]byte, error) {
	text, err := protojson.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("writing %s as JSON: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	var out bytes.Buffer
	if indent == "" {
		err = json.Compact(&out, text)
	} else {
		err = json.Indent(&out, text, "", indent)
	}
	return out.Bytes(), err
}
