// Package trace remembers which SIP messages of calls went through this node, for a
// person who asks later what happened to one: when, from or to whom, method or code.
// Of a message it keeps the start line and nothing else: no header, no body, no
// password. It is of bounded size; the oldest messages make room.
package trace

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/location"
	"github.com/sipcluster/sipcluster/sip/message"
)

const (
	// ringCount is how many parts the calls are dealt out to, each with its own lock.
	ringCount = 16
	// pageSize is what is allocated at a time.
	pageSize = 16 << 10
	// Least is the least size of a Log: two pages for each part.
	Least = 2 * ringCount * pageSize
	// maxText is the length of what is kept of a Request-URI, a reason or a Call-ID.
	maxText = 120
	// MaxEntries of a call are told at most.
	MaxEntries = 1000
)

// Way is whence a message came, or where it went.
type Way struct {
	// Peer is another node; then the rest is not set.
	Peer      dn.Node
	Transport location.Transport
	Addr      netip.AddrPort
}

// Entry is a message that went through.
type Entry struct {
	// Time as this node's clock says, ns since the epoch.
	Time int64
	// Sent: it went out; otherwise it came in.
	Sent bool
	Way
	// Method of a request, and of that which is answered.
	Method string
	CSeq   uint32
	// Code and Reason of a response; 0 and "" of a request.
	Code   int
	Reason string
	// URI is scheme, user and host of a Request-URI.
	URI string
	// Size of the message in bytes.
	Size int
}

// Trace is what is known of a call.
type Trace struct {
	// CallID, as long as it is kept; "" where nothing was found.
	CallID string
	// Conn is the ConnID; "" when it is not known.
	Conn string
	// Entries, the oldest first. Cut: there are more.
	Entries []Entry
	Cut     bool
	// Since is from when on all is there, ns since the epoch; 0: from the node's start.
	Since int64
}

// Log remembers messages. All methods may be called at any time from any goroutine, and of
// a nil Log, which remembers nothing; none waits.
type Log struct {
	seed  maphash.Seed
	now   func() time.Time
	rings [ringCount]ring
}

// ring is a part of a Log: pages with records, the oldest first.
type ring struct {
	mu    sync.Mutex
	pages [][]byte
	max   int
	// since is the time of the first record that is left, 0 as long as none was dropped.
	since int64
	// readers look at the pages: none is written anew meanwhile.
	readers int
}

// New makes a log of so many bytes at most, Least at least. now nil is time.Now.
func New(size int64, now func() time.Time) *Log {
	if now == nil {
		now = time.Now
	}
	l := &Log{seed: maphash.MakeSeed(), now: now}
	for i := range l.rings {
		l.rings[i].max = int(max(size, Least) / ringCount / pageSize)
	}
	return l
}

// Received notes a message that came in.
func (l *Log) Received(m *message.Message, from Way) {
	if l == nil {
		return
	}
	cseq, method, _ := message.ParseCSeq(m.Get(message.CSeq))
	if m.IsRequest() {
		method = m.Method
	}
	if !ofCall(method) {
		return
	}
	text := m.Reason
	var uri [maxText]byte
	if m.IsRequest() {
		text = appendURI(uri[:0], m.URI)
	}
	l.note(m.Get(message.CallID), record{way: &from, method: method, cseq: cseq, code: m.Status, text: text, size: m.Size()})
}

// Sent notes a message that goes out, as it was written.
func (l *Log) Sent(b []byte, to Way) {
	if l == nil {
		return
	}
	g, ok := glance(b)
	if !ok || !ofCall(g.method) {
		return
	}
	var uri [maxText]byte
	if g.code == 0 {
		g.text = appendURI(uri[:0], g.text)
	}
	l.note(g.callID, record{sent: true, way: &to, method: g.method, cseq: g.cseq, code: g.code, text: g.text, size: len(b)})
}

// Name notes the ConnID of a call.
func (l *Log) Name(callID []byte, conn string) {
	if l == nil || conn == "" {
		return
	}
	l.note(callID, record{names: true, method: []byte(conn), text: callID, way: &Way{}})
}

func (l *Log) note(callID []byte, x record) {
	hash := maphash.Bytes(l.seed, callID)
	x.hash, x.time = hash, l.now().UnixNano()
	r := &l.rings[hash%ringCount]
	r.mu.Lock()
	defer r.mu.Unlock()
	r.room(x.length())
	r.pages[len(r.pages)-1] = x.append(r.pages[len(r.pages)-1])
}

// room makes the last page one into which so much fits.
func (r *ring) room(n int) {
	last := len(r.pages) - 1
	if last >= 0 && pageSize-len(r.pages[last]) >= n {
		return
	}
	var page []byte
	if len(r.pages) >= r.max {
		oldest := r.pages[0]
		r.pages = append(r.pages[:0:0], r.pages[1:]...)
		if len(r.pages) > 0 {
			r.since = timeOf(r.pages[0])
		}
		if r.readers == 0 {
			page = oldest[:0]
		}
	}
	if page == nil {
		page = make([]byte, 0, pageSize)
	}
	r.pages = append(r.pages, page)
}

// look calls f for the pages as they are now.
func (r *ring) look(f func(pages [][]byte, since int64)) {
	r.mu.Lock()
	pages, since := append([][]byte(nil), r.pages...), r.since
	r.readers++
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.readers--
		r.mu.Unlock()
	}()
	f(pages, since)
}

// Of is what is known of a call, by its ConnID or by its Call-ID.
func (l *Log) Of(call string) Trace {
	if l == nil {
		return Trace{}
	}
	if hash, found := l.named(call); found {
		return l.of(hash)
	}
	return l.of(maphash.String(l.seed, call))
}

// named is the hash of the Call-ID of the call with that ConnID.
func (l *Log) named(conn string) (hash uint64, found bool) {
	for i := range l.rings {
		l.rings[i].look(func(pages [][]byte, _ int64) {
			for _, p := range pages {
				for len(p) > 0 && !found {
					v := first(p)
					if p = p[len(v):]; v.names() && string(v.method()) == conn {
						hash, found = v.hash(), true
					}
				}
			}
		})
	}
	return hash, found
}

func (l *Log) of(hash uint64) (t Trace) {
	l.rings[hash%ringCount].look(func(pages [][]byte, since int64) {
		t.Since = since
		for _, p := range pages {
			for len(p) > 0 {
				v := first(p)
				if p = p[len(v):]; v.hash() == hash {
					t.add(v)
				}
			}
		}
	})
	return t
}

func (t *Trace) add(v reading) {
	switch {
	case v.names():
		t.Conn, t.CallID = string(v.method()), valid(v.text())
	case len(t.Entries) == MaxEntries:
		t.Cut = true
	default:
		t.Entries = append(t.Entries, v.entry())
	}
}

// Size is how many bytes the log has taken.
func (l *Log) Size() (n int64) {
	if l == nil {
		return 0
	}
	for i := range l.rings {
		r := &l.rings[i]
		r.mu.Lock()
		n += int64(len(r.pages)) * pageSize
		r.mu.Unlock()
	}
	return n
}

func timeOf(page []byte) int64 { return int64(binary.LittleEndian.Uint64(page[atTime:])) }
