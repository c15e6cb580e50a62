package digest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sipcluster/sipcluster/sip/message"
)

// Life is how long a nonce is good for.
const Life = 300 * time.Second

// Config of a Server.
type Config struct {
	// Now is the clock; it must carry a monotonic reading. nil means time.Now.
	Now func() time.Time
	// Slots is how many nonces have their use counted at a time, rounded up to
	// a power of two, 8 bytes each; 0 means 1<<20. An older nonce is stale.
	Slots int
}

// Server issues challenges and checks credentials. Its methods may be called
// by many goroutines at once.
type Server struct {
	now    func() time.Time
	start  time.Time
	macs   sync.Pool // of *mac
	issued atomic.Uint32
	bits   uint
	slots  []atomic.Uint64
}

// New makes a Server with a secret of its own: nonces of other nodes and of
// earlier starts are stale.
func New(cfg Config) *Server {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Slots == 0 {
		cfg.Slots = 1 << 20
	}
	s := &Server{now: cfg.Now, start: cfg.Now()}
	for 1<<s.bits < cfg.Slots && s.bits < maxBits {
		s.bits++
	}
	s.slots = make([]atomic.Uint64, 1<<s.bits)
	var key [32]byte
	rand.Read(key[:]) // never fails (crypto/rand)
	s.macs.New = func() any { return &mac{Hash: hmac.New(sha256.New, key[:])} }
	return s
}

// Verdict is what became of credentials.
type Verdict uint8

const (
	// Unfit: challenge again. The credentials are no answer to a challenge of the
	// DN's algorithm; the password was not looked at.
	Unfit Verdict = iota
	// Stale: challenge again with stale=true. The nonce is too old, not ours or not
	// the source's, and then the password was not looked at; or the password is
	// right and the nonce was used before.
	Stale
	// Wrong: challenge again. The password is wrong, and who says it has got the
	// nonce at the address that it says it from.
	Wrong
	// OK: the user is who it says.
	OK
)

// Request is what credentials came with.
type Request struct {
	Method []byte
	// Source is where it came from, and the answer goes: the nonce was given to it.
	Source netip.Addr
	// Print identifies the request among all that could carry the same credentials.
	Print uint32
}

// nonceLen is that of a nonce in base64: time, index, 12 bytes of HMAC.
const (
	nonceRaw = 20
	nonceLen = (nonceRaw*8 + 5) / 6
)

// AppendChallenge appends the value of a WWW-Authenticate header with a fresh nonce
// for the source.
func (s *Server) AppendChallenge(dst []byte, realm string, a Algorithm, stale bool, source netip.Addr) []byte {
	dst = append(dst, `Digest realm="`...)
	dst = append(dst, realm...)
	dst = append(dst, `", nonce="`...)
	dst = s.appendNonce(dst, source)
	dst = append(dst, `", algorithm=`...)
	dst = append(dst, a.String()...)
	dst = append(dst, `, qop="auth"`...)
	if stale {
		dst = append(dst, ", stale=true"...)
	}
	return dst
}

func (s *Server) appendNonce(dst []byte, source netip.Addr) []byte {
	index := s.issued.Add(1)
	s.slot(index).Store(s.fresh(index))
	var raw [nonceRaw]byte
	binary.BigEndian.PutUint32(raw[:], s.seconds())
	binary.BigEndian.PutUint32(raw[4:], index)
	s.sign(&raw, source)
	return base64.RawURLEncoding.AppendEncode(dst, raw[:])
}

// seconds is the age of the server: monotonic, so a stepped wall clock ages no nonce.
func (s *Server) seconds() uint32 { return uint32(s.now().Sub(s.start) / time.Second) }

// mac is an HMAC-SHA-256 with room for what goes in and what comes out.
type mac struct {
	hash.Hash
	in  [8 + 16]byte
	out [sha256.Size]byte
}

// sign fills in the MAC of the first 8 bytes and the source, cut to 12 (RFC 2104).
func (s *Server) sign(raw *[nonceRaw]byte, source netip.Addr) {
	h := s.macs.Get().(*mac)
	defer s.macs.Put(h)
	h.Reset()
	copy(h.in[:], raw[:8])
	at := source.As16()
	copy(h.in[8:], at[:])
	h.Write(h.in[:])
	copy(raw[8:], h.Sum(h.out[:0]))
}

// parseNonce returns the index of a nonce of ours that is young enough and was
// given to the source.
func (s *Server) parseNonce(nonce []byte, source netip.Addr) (index uint32, ok bool) {
	var got, want [nonceRaw]byte
	if len(nonce) != nonceLen {
		return 0, false
	}
	if n, err := base64.RawURLEncoding.Strict().Decode(got[:], nonce); err != nil || n != nonceRaw {
		return 0, false
	}
	copy(want[:8], got[:8])
	s.sign(&want, source)
	if subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
		return 0, false
	}
	age := s.seconds() - binary.BigEndian.Uint32(got[:])
	return binary.BigEndian.Uint32(got[4:]), age < uint32(Life/time.Second)
}

// Knows tells whether a nonce is one of ours that is young enough and was given to the
// source.
func (s *Server) Knows(nonce []byte, source netip.Addr) bool {
	_, ok := s.parseNonce(nonce, source)
	return ok
}

// Check judges credentials for a request. With the nonce count used last, only
// the very same request passes again, because the network may deliver it twice.
//
// The nonce comes before the password: so each try of a password has asked for a
// challenge at its own address, and nobody tries in another's name.
func (s *Server) Check(c *Credentials, r *Request, ha1 string, a Algorithm) Verdict {
	nc, ok := c.count()
	if !ok || !c.fits(a, r.Method, ha1) {
		return Unfit
	}
	index, ok := s.parseNonce(c.Nonce, r.Source)
	switch {
	case !ok:
		return Stale
	case !c.matches(a, r.Method, ha1):
		return Wrong
	case !s.use(index, nc, r.Print):
		return Stale
	}
	return OK
}

// count is the nonce count. Credentials without qop have none (RFC 2617
// §3.2.2.1): they may use a nonce once, and nobody may use it after them.
func (c *Credentials) count() (uint32, bool) {
	if c.QOP == nil {
		return onlyUse, true
	}
	if !message.EqualFold(c.QOP, "auth") || len(c.NC) != 8 || len(c.CNonce) == 0 {
		return 0, false
	}
	var n uint32
	for _, ch := range c.NC {
		switch {
		case '0' <= ch && ch <= '9':
			n = n<<4 | uint32(ch-'0')
		case 'a' <= ch|0x20 && ch|0x20 <= 'f':
			n = n<<4 | uint32(ch|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return n, n > 0
}
