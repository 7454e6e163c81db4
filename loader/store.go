package loader

import (
	"bytes"
	"hash/maphash"
	"sync"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/xds"
)

// keepBuffer is the size from which a dump's own buffer may become the storage
// of its resources. Below it they are copied out, and the buffer is used again.
const keepBuffer = 16 << 20

// store holds each distinct content of a capture once. It is safe for use by
// several goroutines.
type store struct {
	seed maphash.Seed
	mu   sync.Mutex
	// entries are chained by next where hashes collide; first has the index of a
	// chain by hash. Index 0 is not used.
	entries []entry
	first   map[uint64]int32
	// unhashed are the contents of a large first file, which are entered only
	// when another file comes: most large captures are a single dump.
	unhashed []mesh.Content
	decoder  *xds.Decoder
}

type entry struct {
	content *mesh.Content
	next    int32
}

func newStore() *store {
	return &store{seed: maphash.MakeSeed(), entries: make([]entry, 1), first: make(map[uint64]int32), decoder: new(xds.Decoder)}
}

// span is a resource found in a dump: where it is and what is known of it. A
// span that ends at 0 is of a resource without content.
type span struct {
	start, end int
	name       string
	typeURL    string
	// fields and fieldsEnd bound its members among those of the dump.
	fields, fieldsEnd int
	sum               uint64
	content           *mesh.Content
	// foreign is where a line in it begins that is no JSON; not above start if there is
	// none, or if nobody looked: the contents of a large first file are not read twice.
	foreign int
}

// intern gives every span its content, taking those that the store has already.
// It reports whether buf is now referred to and must not be used again.
func (s *store) intern(buf []byte, spans []span, fields []mesh.Field) (kept bool) {
	if s.alone(buf, spans, fields) {
		return true
	}
	for i := range spans {
		if sp := &spans[i]; sp.end > 0 {
			sp.sum = maphash.Bytes(s.seed, buf[sp.start:sp.end])
		}
	}
	missing, count := 0, 0
	s.mu.Lock()
	for i := range spans {
		sp := &spans[i]
		if sp.end == 0 {
			continue
		}
		if sp.content = s.find(sp.sum, buf[sp.start:sp.end], sp.typeURL); sp.content == nil {
			missing += sp.end - sp.start
			count++
		}
	}
	s.mu.Unlock()
	if count == 0 {
		return false
	}

	kept = len(buf) >= keepBuffer && missing >= len(buf)/2
	var arena []byte
	if !kept {
		arena = make([]byte, 0, missing)
	}
	fresh, next := make([]mesh.Content, count), 0
	for i := range spans {
		sp := &spans[i]
		if sp.content != nil || sp.end == 0 {
			continue
		}
		raw := buf[sp.start:sp.end:sp.end]
		if sp.typeURL != "" {
			sp.foreign = sp.start + foreignLine(raw)
		}
		if !kept {
			start := len(arena)
			arena = append(arena, raw...)
			raw = arena[start:len(arena):len(arena)]
		}
		s.fill(&fresh[next], sp, raw, fields)
		next++
	}
	s.add(spans, fresh)
	return kept
}

// alone takes the spans of a large first file as they are. Later files have them
// entered first.
func (s *store) alone(buf []byte, spans []span, fields []mesh.Field) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unhashed != nil {
		for i := range s.unhashed {
			if c := &s.unhashed[i]; c.Raw != nil {
				s.enter(maphash.Bytes(s.seed, c.Raw), c)
			}
		}
		s.unhashed = nil
		return false
	}
	if len(s.entries) > 1 || len(buf) < keepBuffer {
		return false
	}
	s.unhashed = make([]mesh.Content, len(spans))
	for i := range spans {
		if sp := &spans[i]; sp.end > 0 {
			sp.content = &s.unhashed[i]
			s.fill(sp.content, sp, buf[sp.start:sp.end:sp.end], fields)
		}
	}
	return true
}

// fill makes c the content of the span.
func (s *store) fill(c *mesh.Content, sp *span, raw []byte, fields []mesh.Field) {
	c.Raw, c.Name, c.TypeURL, c.Decoder = raw, sp.name, sp.typeURL, s.decoder
	if sp.fieldsEnd > sp.fields {
		c.Fields = fields[sp.fields:sp.fieldsEnd:sp.fieldsEnd]
	}
}

func (s *store) enter(sum uint64, c *mesh.Content) {
	s.entries = append(s.entries, entry{content: c, next: s.first[sum]})
	s.first[sum] = int32(len(s.entries) - 1)
}

// add enters the fresh contents, one for each span without content in turn,
// unless another file of the capture brought the same in the meantime.
func (s *store) add(spans []span, fresh []mesh.Content) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := 0
	for i := range spans {
		sp := &spans[i]
		if sp.content != nil || sp.end == 0 {
			continue
		}
		c := &fresh[next]
		next++
		if sp.content = s.find(sp.sum, c.Raw, sp.typeURL); sp.content == nil {
			s.enter(sp.sum, c)
			sp.content = c
		}
	}
}

func (s *store) find(sum uint64, raw []byte, typeURL string) *mesh.Content {
	for i := s.first[sum]; i != 0; i = s.entries[i].next {
		if c := s.entries[i].content; c.TypeURL == typeURL && bytes.Equal(c.Raw, raw) {
			return c
		}
	}
	return nil
}

// file returns the one copy that the capture keeps of raw, the content of a
// whole file, and reports like intern whether that is raw itself.
func (s *store) file(raw []byte) (content []byte, kept bool) {
	if len(raw) == 0 {
		return nil, false
	}
	spans := []span{{end: len(raw)}}
	kept = s.intern(raw, spans, nil)
	return spans[0].content.Raw, kept
}
