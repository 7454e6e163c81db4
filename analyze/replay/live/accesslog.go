package live

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// entry is a line of the access log that replay.AccessLogConfig describes.
type entry struct {
	Kind        string `json:"kind"`
	ID          string `json:"id"`
	Client      string `json:"client"`
	Local       string `json:"local"`
	Status      int    `json:"status"`
	Flags       string `json:"flags"`
	Details     string `json:"details"`
	Termination string `json:"termination"`
	TLSFailure  string `json:"tls_failure"`
	FilterChain string `json:"filter_chain"`
	VirtualHost string `json:"virtual_host"`
	Route       string `json:"route"`
	Cluster     string `json:"cluster"`
	Upstream    string `json:"upstream"`

	read int // the number of the read that brought it
}

// ends are both ends of a connection. One client port may be in use for several
// destinations at once, and is used again later.
type ends struct {
	client string // physical
	local  string // the destination that the client asked for
}

// accessLog follows a file that Envoy appends to. An entry is taken out when its
// exchange is found.
type accessLog struct {
	path   string
	offset int64
	rest   []byte // the start of a line that is not there yet
	reads  int

	byID   map[string]entry
	byEnds map[ends][]entry
	// answered are connections that nobody will ask for any more, once the
	// listener's entry has come.
	answered map[ends]bool
}

func newAccessLog(path string) *accessLog {
	return &accessLog{path: path, byID: map[string]entry{}, byEnds: map[ends][]entry{}, answered: map[ends]bool{}}
}

// read takes what was appended and reports whether there was anything.
func (l *accessLog) read() (more bool, err error) {
	l.reads++
	file, err := os.Open(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the access log: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.NewSectionReader(file, l.offset, 1<<40))
	if err != nil {
		return false, fmt.Errorf("reading the access log: %w", err)
	}
	l.offset += int64(len(text))
	text = append(l.rest, text...)
	for {
		line, after, found := bytes.Cut(text, []byte("\n"))
		if !found {
			break
		}
		if err := l.add(line); err != nil {
			return more, err
		}
		text, more = after, true
	}
	l.rest = bytes.Clone(text)
	return more, nil
}

func (l *accessLog) add(line []byte) error {
	var e entry
	if err := json.Unmarshal(line, &e); err != nil {
		return fmt.Errorf("reading the access log: expected a JSON object in %q: %w", line, err)
	}
	if e.Flags == "-" {
		e.Flags = ""
	}
	e.read = l.reads
	connection := ends{client: e.Client, local: e.Local}
	switch {
	case e.ID != "":
		l.byID[e.ID] = e
	case e.Kind == "listener" && l.answered[connection]:
		delete(l.answered, connection)
		delete(l.byEnds, connection)
	default:
		l.byEnds[connection] = append(l.byEnds[connection], e)
	}
	return nil
}

// settled is after how many reads nothing more comes of a connection of which the
// listener has told: a TCP proxy's entry may stand behind the listener's, and Envoy
// may write them out apart.
const settled = 4

// find returns what the log has of an exchange, best first: the request, the
// connection that a TCP proxy carried, the connection as the listener saw it.
func (l *accessLog) find(x *exchange) (found entry, ok bool) {
	rank := map[string]int{"http": 3, "tcp": 2, "listener": 1}
	closed, old := false, false
	for _, e := range l.byEnds[x.ends] {
		if e.Kind == "listener" {
			closed, old = true, l.reads-e.read >= settled
		}
		if rank[e.Kind] > rank[found.Kind] {
			found = e
		}
	}
	request, answered := l.byID[x.id]
	switch {
	case answered:
		delete(l.byID, x.id)
		found = request
	case !closed, found.Kind == "listener" && !old:
		return entry{}, false
	}
	delete(l.byEnds, x.ends)
	if !closed {
		l.answered[x.ends] = true
	}
	return found, true
}
