// Package transfer remembers what phones here were asked to call by a REFER (RFC 3515).
// Many call the number or the Contact alone, without the parameter that the cluster adds
// to the URI, which says with which call that one goes on; so the node at which the REFER
// reached the phone finds it here when the phone calls.
package transfer

import (
	"bytes"
	"sync"
	"time"

	"github.com/sipcluster/sipcluster/internal/recent"
	"github.com/sipcluster/sipcluster/node/dn"
	"github.com/sipcluster/sipcluster/sip/message"
)

// Book is what was asked lately; it may be used by several goroutines.
type Book struct {
	most int
	now  func() time.Time

	mu         sync.Mutex
	young, old map[uint64]entry
}

type entry struct {
	word  string
	until time.Time
}

// lasts is how long who was asked may take to call.
const lasts = 3 * time.Minute

// NewBook makes an empty one that remembers the last most requests at least, and at most
// twice as many.
func NewBook(most int, now func() time.Time) *Book {
	return &Book{most: most, now: now, young: map[uint64]entry{}}
}

// Add notes that a phone was asked to call a URI, with the cluster's word for that call.
func (b *Book) Add(who dn.Number, uri, word []byte) {
	k, ok := keyOf(who, uri)
	if !ok {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.young) >= b.most {
		b.young, b.old = map[uint64]entry{}, b.young
	}
	b.young[k] = entry{string(word), b.now().Add(lasts)}
}

// Take is the word for a call of a phone to a URI, once; nil when nobody asked for it.
func (b *Book) Take(who dn.Number, uri []byte) []byte {
	b.mu.Lock()
	empty := len(b.young)+len(b.old) == 0
	b.mu.Unlock()
	if empty {
		return nil
	}
	k, ok := keyOf(who, uri)
	if !ok {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range [...]map[uint64]entry{b.young, b.old} {
		if e, known := m[k]; known {
			delete(m, k)
			if b.now().Before(e.until) {
				return []byte(e.word)
			}
		}
	}
	return nil
}

// keyOf names who calls whom: user and host, as phones keep no more of a URI.
func keyOf(who dn.Number, uri []byte) (uint64, bool) {
	u, ok := message.ParseURI(uri)
	if !ok || !u.IsSIP() {
		return 0, false
	}
	user, _ := message.Leading(u.User)
	return recent.Hash(struct {
		who        dn.Number
		user, host string
	}{who, string(message.AppendUnescaped(nil, user)), string(bytes.ToLower(u.Host)) + ":" + string(u.Port)}), true
}
