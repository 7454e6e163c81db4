package xds

import (
	"cmp"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// FuzzDecode: whatever the bytes are, Decode neither panics nor returns what JSON and Unpack cannot read.
func FuzzDecode(f *testing.F) {
	paths, err := filepath.Glob("testdata/decode/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(archive.Files[0].Data[:len(archive.Files[0].Data)-1]), archive.Files[1].Data)
	}
	f.Fuzz(func(t *testing.T, typeURL string, raw []byte) {
		m, err := Decode(typeURL, raw)
		if err != nil {
			return
		}
		if s, err := scan(raw, false); err == nil {
			if plain := new(Decoder).decodeV3(cmp.Or(s.typeURL, typeURL), s); plain != nil && !proto.Equal(plain, m) {
				t.Errorf("with its Anys packed it is %v, want %v", m, plain)
			}
		}
		if _, err := JSON(m, " "); err != nil {
			t.Errorf("JSON: %v", err)
		}
		anys(m.ProtoReflect(), func(a *anypb.Any) {
			if _, _, err := Unpack(a); err != nil {
				t.Errorf("Unpack: %v", err)
			}
		})
	})
}
