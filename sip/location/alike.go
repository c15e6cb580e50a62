package location

import (
	"hash/maphash"
	"runtime"

	"github.com/sipcluster/sipcluster/sip/message"
)

// contacts finds the slots by the Contacts of their bindings: by user, host and port, and by
// host and port alone. It is guarded by Store.mu; a refresh, which changes no Contact, does
// not touch it.
type contacts struct {
	seed maphash.Seed
	at   map[uint64]holders
	// late are slots that are to be found yet: those that were read at the start.
	late []*slot
}

// holders are the slots with a Contact of one key: nearly always one.
type holders struct {
	one  *slot
	more map[*slot]struct{}
}

// contactKeys are where a Contact is found.
type contactKeys struct{ user, host uint64 }

func newContacts() contacts {
	return contacts{seed: maphash.MakeSeed(), at: make(map[uint64]holders)}
}

// sum changes when one of the Contacts does, in whatever order they are.
func (c *contacts) sum(bindings []Binding) (sum uint64) {
	for i := range bindings {
		sum += maphash.String(c.seed, bindings[i].Contact)
	}
	return sum
}

// keys are those of a SIP URI, as RFC 3261 §19.1.4 compares its parts.
func (c *contacts) keys(u *message.URI) contactKeys {
	var h maphash.Hash
	h.SetSeed(c.seed)
	var buf [128]byte
	for _, b := range u.Host {
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		_ = h.WriteByte(b)
	}
	_ = h.WriteByte(' ')
	_, _ = h.Write(u.Port)
	k := contactKeys{host: h.Sum64()}
	_ = h.WriteByte(' ')
	_, _ = h.Write(message.AppendUnescaped(buf[:0], u.User))
	k.user = h.Sum64()
	return k
}

// each calls fn for every key of the bindings.
func (c *contacts) each(bindings []Binding, fn func(key uint64)) {
	for i := range bindings {
		if u, ok := message.ParseURI([]byte(bindings[i].Contact)); ok && u.IsSIP() {
			k := c.keys(&u)
			fn(k.user)
			fn(k.host)
		}
	}
}

func (c *contacts) add(sl *slot, bindings []Binding) {
	c.each(bindings, func(key uint64) {
		switch h := c.at[key]; {
		case h.more != nil:
			h.more[sl] = struct{}{}
		case h.one == nil:
			c.at[key] = holders{one: sl}
		case h.one != sl:
			c.at[key] = holders{more: map[*slot]struct{}{h.one: {}, sl: {}}}
		}
	})
}

func (c *contacts) remove(sl *slot, bindings []Binding) {
	c.each(bindings, func(key uint64) {
		h := c.at[key]
		if h.one == sl {
			delete(c.at, key)
		}
		if delete(h.more, sl); h.more != nil && len(h.more) == 0 {
			delete(c.at, key)
		}
	})
}

// reach has the slot found by the Contacts of these bindings, and of no others.
// Its blob is still that of before.
func (s *Store) reach(sl *slot, bindings []Binding) {
	sum := s.contacts.sum(bindings)
	if sum == sl.contacts {
		return
	}
	if sl.contacts != 0 {
		s.contacts.remove(sl, s.decode(sl.blob).Bindings)
	}
	s.contacts.add(sl, bindings)
	sl.contacts = sum
}

// lateChunk is how many slots are made to be found under one hold of the lock.
const lateChunk = 1024

// catchUp has all slots found that were read at the start, which is done beside what the
// node serves.
func (s *Store) catchUp() {
	for s.someLate() {
		runtime.Gosched()
	}
}

func (s *Store) someLate() (more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.contacts
	n := min(len(c.late), lateChunk)
	var e single
	for _, sl := range c.late[:n] {
		if !sl.gone && sl.contacts == 0 {
			s.decodeInto(&e, sl.blob)
			s.reach(sl, e.Bindings)
		}
	}
	if c.late = c.late[n:]; len(c.late) == 0 {
		c.late = nil
	}
	return c.late != nil
}

// SameUser are the entries with a Contact of the user, host and port of u, at most limit, as
// they come: what it costs follows from limit alone.
func (s *Store) SameUser(u *message.URI, limit int) []*Entry {
	return s.found(s.contacts.keys(u).user, limit)
}

// SameHost is SameUser whoever the user is.
func (s *Store) SameHost(u *message.URI, limit int) []*Entry {
	return s.found(s.contacts.keys(u).host, limit)
}

func (s *Store) found(key uint64, limit int) (list []*Entry) {
	s.mu.RLock()
	late := len(s.contacts.late) > 0
	s.mu.RUnlock()
	if late {
		s.catchUp()
	}
	for _, blob := range s.holding(key, limit) {
		list = append(list, s.decode(blob))
	}
	return list
}

func (s *Store) holding(key uint64, limit int) (blobs []string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	h := s.contacts.at[key]
	if h.one != nil {
		return append(blobs, h.one.blob)
	}
	for sl := range h.more {
		if len(blobs) == limit {
			break
		}
		blobs = append(blobs, sl.blob)
	}
	return blobs
}
