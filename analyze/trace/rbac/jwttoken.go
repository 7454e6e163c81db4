package rbac

import (
	"encoding/base64"
	"math"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
)

// status is what Envoy says of a token: the body of its reply. Empty is OK.
type status string

const (
	jwtOK                 status = ""
	jwtMissing            status = "Jwt is missing"
	jwtNotYetValid        status = "Jwt not yet valid"
	jwtExpired            status = "Jwt is expired"
	jwtBadFormat          status = "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"
	jwtHeaderBadBase64    status = "Jwt header is an invalid Base64url encoded"
	jwtHeaderBadJSON      status = "Jwt header is an invalid JSON"
	jwtHeaderBadAlg       status = "Jwt header [alg] field is required and must be a string"
	jwtHeaderUnknownAlg   status = "Jwt header [alg] is not supported"
	jwtHeaderBadKid       status = "Jwt header [kid] field is not a string"
	jwtPayloadBadBase64   status = "Jwt payload is an invalid Base64url encoded"
	jwtPayloadBadJSON     status = "Jwt payload is an invalid JSON"
	jwtBadAudience        status = "Jwt payload [aud] field is not a string or string list"
	jwtSignatureBadBase64 status = "Jwt signature is an invalid Base64url encoded"
	jwtUnknownIssuer      status = "Jwt issuer is not configured"
	jwtAudienceNotAllowed status = "Audiences in Jwt are not allowed"
	jwtVerificationFails  status = "Jwt verification fails"
)

func jwtNotString(claim string) status {
	return status("Jwt payload [" + claim + "] field is not a string")
}

// token is a JSON Web Token whose signature nobody has verified.
type token struct {
	header, payload    *structpb.Struct
	encodedPayload     string
	issuer, subject    string
	audiences          []string
	notBefore, expires float64 // seconds since 1970; 0 where the token says nothing
}

// parseToken reads a token in the order of Envoy's jwt_verify_lib, whose first
// complaint is the status.
func parseToken(text string) (*token, status) {
	sections := strings.Split(text, ".")
	if len(sections) != 3 || slices.Contains(sections, "") {
		return nil, jwtBadFormat
	}
	t := &token{encodedPayload: sections[1]}
	var st status
	if t.header, st = section(sections[0], jwtHeaderBadBase64, jwtHeaderBadJSON); st != jwtOK {
		return nil, st
	}
	if st := t.checkHeader(); st != jwtOK {
		return nil, st
	}
	if t.payload, st = section(sections[1], jwtPayloadBadBase64, jwtPayloadBadJSON); st != jwtOK {
		return nil, st
	}
	if st := t.readClaims(); st != jwtOK {
		return nil, st
	}
	if _, ok := base64url(sections[2]); !ok {
		return nil, jwtSignatureBadBase64
	}
	return t, jwtOK
}

// section decodes the header or the payload.
func section(text string, badBase64, badJSON status) (*structpb.Struct, status) {
	raw, ok := base64url(text)
	if !ok {
		return nil, badBase64
	}
	fields := &structpb.Struct{}
	if err := protojson.Unmarshal(raw, fields); err != nil {
		return nil, badJSON
	}
	return fields, jwtOK
}

func base64url(text string) ([]byte, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(text, "="))
	return raw, err == nil
}

func (t *token) checkHeader() status {
	alg, found, ok := stringField(t.header, "alg")
	if !found || !ok {
		return jwtHeaderBadAlg
	}
	switch alg {
	case "ES256", "ES384", "ES512", "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA":
	default:
		return jwtHeaderUnknownAlg
	}
	if _, _, ok := stringField(t.header, "kid"); !ok {
		return jwtHeaderBadKid
	}
	return jwtOK
}

func (t *token) readClaims() status {
	var ok bool
	if t.issuer, _, ok = stringField(t.payload, "iss"); !ok {
		return jwtNotString("iss")
	}
	if t.subject, _, ok = stringField(t.payload, "sub"); !ok {
		return jwtNotString("sub")
	}
	var st status
	if _, st = timeField(t.payload, "iat"); st != jwtOK {
		return st
	}
	if t.notBefore, st = timeField(t.payload, "nbf"); st != jwtOK {
		return st
	}
	if t.expires, st = timeField(t.payload, "exp"); st != jwtOK {
		return st
	}
	if _, _, ok := stringField(t.payload, "jti"); !ok {
		return jwtNotString("jti")
	}
	if t.audiences, ok = stringsField(t.payload, "aud"); !ok {
		return jwtBadAudience
	}
	return jwtOK
}

// stringField is a claim; ok is false where it is there and no string.
func stringField(s *structpb.Struct, name string) (value string, found, ok bool) {
	field, found := s.GetFields()[name]
	if !found {
		return "", false, true
	}
	kind, ok := field.GetKind().(*structpb.Value_StringValue)
	if !ok {
		return "", true, false
	}
	return kind.StringValue, true, true
}

// stringsField is a claim that is a string or a list of strings.
func stringsField(s *structpb.Struct, name string) (values []string, ok bool) {
	list, isList := s.GetFields()[name].GetKind().(*structpb.Value_ListValue)
	if !isList {
		value, found, ok := stringField(s, name)
		if !found {
			return nil, ok
		}
		return []string{value}, ok
	}
	for _, element := range list.ListValue.GetValues() {
		value, ok := element.GetKind().(*structpb.Value_StringValue)
		if !ok {
			return nil, false
		}
		values = append(values, value.StringValue)
	}
	return values, true
}

func timeField(s *structpb.Struct, name string) (float64, status) {
	field, found := s.GetFields()[name]
	if !found {
		return 0, jwtOK
	}
	kind, ok := field.GetKind().(*structpb.Value_NumberValue)
	if !ok {
		return 0, status("Jwt payload [" + name + "] field is not an integer")
	}
	if kind.NumberValue < 0 || kind.NumberValue >= math.MaxUint64 {
		return 0, status("Jwt payload [" + name + "] field is not a positive 64 bit integer")
	}
	return math.Floor(kind.NumberValue), jwtOK
}
