// Package xds turns the JSON of one Envoy resource into its v3 message, whatever API generation
// (v1 remains, v2, v3) and spelling (snake_case, camelCase, hidden_envoy_deprecated_) it was written in.
package xds

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

//go:generate go run gentypes.go

// maxDepth bounds the nesting of a resource; Envoy's own resources stay below 40 levels.
const maxDepth = 200

// strict refuses what v3 does not define, so that success proves that nothing was left behind.
// Any and Struct take up to three messages for one level of JSON.
var strict = protojson.UnmarshalOptions{RecursionLimit: 4 * maxDepth}

// Decode turns raw, one JSON object, into the v3 message that typeURL names. An "@type" in raw
// itself wins over typeURL; either may name a v2 type. v2 fields are carried over to v3 also where
// no type says that raw is v2, and filter names become Envoy's canonical ones.
//
// What v3 does not define is dropped: fields of a newer Envoy, and enum values unknown to this
// build, which leave their field unset. A type that is not linked in is kept whole as an
// xds.type.v3.TypedStruct, inside an Any and as the result. bytes that are not base64, such as
// "[redacted]", stand for themselves.
//
// The error names the place as a JSON path and what was expected there.
func Decode(typeURL string, raw []byte) (proto.Message, error) {
	return (*Decoder)(nil).Decode(typeURL, raw)
}

// Decode is the package's Decode, with what resources have in common decoded once.
func (d *Decoder) Decode(typeURL string, raw []byte) (proto.Message, error) {
	if d == nil {
		d = new(Decoder)
	}
	for _, packs := range []bool{true, false} {
		s, err := d.scan(raw, packs)
		if err != nil {
			return nil, fmt.Errorf("decoding %s: %w", typeURL, err)
		}
		if s.typeURL != "" {
			typeURL = s.typeURL
		}
		if m := d.decodeV3(typeURL, s); m != nil {
			return m, nil
		}
		if s.legacy || len(s.packed) == 0 {
			break
		}
	}
	m, err := decodeAny(typeURL, raw)
	if err != nil {
		return nil, fmt.Errorf("decoding %s: %w", typeURL, err)
	}
	return m, nil
}

// decodeV3 is the short way of a resource that is v3 throughout; nil means that it is not.
func (d *Decoder) decodeV3(typeURL string, s scanned) proto.Message {
	if s.legacy {
		return nil
	}
	t, err := messageType(typeURL)
	if err != nil || hasCustomJSON(t.Descriptor().FullName()) {
		return nil
	}
	m := t.New().Interface()
	err = strict.Unmarshal(s.body, m)
	d.release(s)
	if err != nil || !d.fill(m, s.packed) {
		return nil
	}
	return m
}

// decodeAny is the long way: by way of a tree that is rewritten to v3.
func decodeAny(typeURL string, raw []byte) (proto.Message, error) {
	o, err := parse(raw)
	if err != nil {
		return nil, err
	}
	if text, _ := o["@type"].(string); text == "" {
		o["@type"] = typeURL
	}
	if o["@type"] == "" {
		return nil, errors.New(`expected a type, from the caller or as "@type"`)
	}
	v3, err := upgradeAny(o)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(v3)
	if err != nil {
		return nil, err
	}
	var a anypb.Any
	if err := strict.Unmarshal(body, &a); err != nil {
		return nil, locate(v3, err)
	}
	return a.UnmarshalNew()
}

// parse reads raw into a tree that keeps its numbers as they are written.
func parse(raw []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("expected JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("expected one JSON object, got more after byte %d", d.InputOffset())
	}
	o, ok := v.(object)
	if !ok {
		return nil, fmt.Errorf("expected an object, got %s", describe(v))
	}
	return o, nil
}
