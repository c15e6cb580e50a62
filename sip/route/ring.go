package route

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sipcluster/sipcluster/sip/message"
)

// Key is one that tokens are sealed with. IDs count up.
type Key struct {
	ID     uint32
	Secret []byte
}

// Ring makes and reads tokens. A token is the lowest byte of its key's ID, a MAC of
// its fields, its dialog's Call-ID and the caller's tag, and the fields themselves,
// encrypted under the MAC: what is in them is nobody's business outside.
type Ring struct{ keys atomic.Pointer[keys] }

// keys are what a ring holds; it is replaced whole.
type keys struct {
	used    *key   // to write
	all     []*key // to read
	retired []*key // to read for those who know the dialog, the last dropped first
}

type key struct {
	Key
	block cipher.Block
	macs  sync.Pool
}

// maxRetired is how many keys are remembered that are out of the ring.
const maxRetired = 4

// NewRing makes a ring of keys, of which the first is used. There must be one.
func NewRing(list []Key) *Ring {
	r := &Ring{}
	r.SetKeys(list)
	return r
}

// SetKeys replaces the keys: the first is used, all are read. One that is left out is
// read yet for the calls that this node knows, so no rotation ends one. There must be one.
func (r *Ring) SetKeys(list []Key) {
	old, next := r.keys.Load(), &keys{}
	for _, k := range list {
		next.all = append(next.all, old.like(k))
	}
	next.used = next.all[0]
	if old != nil {
		for _, k := range slices.Concat(old.all, old.retired) {
			if !slices.Contains(next.all, k) && len(next.retired) < maxRetired {
				next.retired = append(next.retired, k)
			}
		}
	}
	r.keys.Store(next)
}

// like is the key that is there already, or a new one.
func (ks *keys) like(want Key) *key {
	if ks != nil {
		for _, k := range slices.Concat(ks.all, ks.retired) {
			if k.ID == want.ID && bytes.Equal(k.Secret, want.Secret) {
				return k
			}
		}
	}
	derive := func(what string) []byte {
		sum := sha256.Sum256(append([]byte("sipcluster route "+what+"\x00"), want.Secret...))
		return sum[:]
	}
	block, err := aes.NewCipher(derive("seal"))
	if err != nil {
		panic(err) // the length is right
	}
	forMAC := derive("mac")
	k := &key{Key: Key{ID: want.ID, Secret: bytes.Clone(want.Secret)}, block: block}
	k.macs.New = func() any { return &mac{Hash: hmac.New(sha256.New, forMAC)} }
	return k
}

// find is the key of a token; retired: it is out of the ring.
func (ks *keys) find(id byte) (k *key, retired bool) {
	for _, k := range ks.all {
		if byte(k.ID) == id {
			return k, false
		}
	}
	for _, k := range ks.retired {
		if byte(k.ID) == id {
			return k, true
		}
	}
	return nil, false
}

const (
	macLen  = 12
	headLen = 1 + macLen
	// minToken and maxToken bound what is decoded: three names, an address, and the rest.
	minToken = headLen + 1 + 4 + 8 + 3
	maxToken = minToken + 3*255 + 18
)

var tokenCoding = base64.RawURLEncoding.Strict()

// Encode writes the token for a dialog, by its Call-ID and the caller's tag.
func (r *Ring) Encode(k *Token, callID, tag []byte) []byte {
	used := r.keys.Load().used
	h := used.macs.Get().(*mac)
	defer used.macs.Put(h)
	raw := append(h.raw[:0], byte(used.ID))
	raw = k.append(raw[:headLen])
	body := raw[headLen:]
	copy(raw[1:], h.of(body, callID, tag))
	h.crypt(used.block, raw[1:headLen], body)
	return tokenCoding.AppendEncode(make([]byte, 0, tokenCoding.EncodedLen(len(raw))), raw)
}

// decode reads a token of a dialog. dir is what is known of the request's direction; ok
// is false for a token that is forged or another dialog's.
func (r *Ring) decode(user []byte, d *Dialog, dir direction) (k Token, is direction, ok bool) {
	if bytes.IndexByte(user, '%') >= 0 {
		user = message.AppendUnescaped(nil, user)
	}
	if n := len(user); n > tokenCoding.EncodedLen(maxToken) || n < tokenCoding.EncodedLen(minToken) {
		return k, dir, false
	}
	var buf [maxToken]byte
	n, err := tokenCoding.Decode(buf[:], user)
	if err != nil || n < minToken {
		return k, dir, false
	}
	from, retired := r.keys.Load().find(buf[0])
	if from == nil {
		return k, dir, false
	}
	h := from.macs.Get().(*mac)
	defer from.macs.Put(h)
	raw := h.raw[:copy(h.raw[:], buf[:n])]
	sum, body := raw[1:headLen], raw[headLen:]
	h.crypt(from.block, sum, body)
	k.Retired = retired
	for _, is := range dir.of(body[0]&calledBit != 0) {
		if subtle.ConstantTimeCompare(sum, h.of(body, d.CallID, d.callerTag(is))) == 1 {
			return k, is, k.read(body)
		}
	}
	return k, dir, false
}

// resembles tells whether a user part may be a token: some phones write their own number
// there.
func resembles(user []byte) bool {
	n := len(user)
	return bytes.IndexByte(user, '%') >= 0 || n >= tokenCoding.EncodedLen(minToken) && n <= tokenCoding.EncodedLen(maxToken)
}

// Branch makes 16 bytes that all who have the keys can make of the same two.
func (r *Ring) Branch(a, b []byte) (out [16]byte) {
	used := r.keys.Load().used
	h := used.macs.Get().(*mac)
	defer used.macs.Put(h)
	h.of(a, b, nil)
	copy(out[:], h.sum[:])
	return out
}

// mac is a keyed hash, with room for what it is used on.
type mac struct {
	hash.Hash
	sum [sha256.Size]byte
	raw [maxToken]byte
	// counter and pad are of crypt.
	counter, pad [aes.BlockSize]byte
}

// of is the MAC of a token for a dialog, until the next one.
func (h *mac) of(body, callID, tag []byte) []byte {
	h.Reset()
	h.Write(body)
	h.Write(callID)
	h.Write(tag)
	// The lengths keep what ends the one from beginning the other.
	binary.BigEndian.PutUint32(h.sum[:], uint32(len(body)))
	binary.BigEndian.PutUint32(h.sum[4:], uint32(len(callID)))
	h.Write(h.sum[:8])
	return h.Sum(h.sum[:0])[:macLen]
}

// crypt encrypts the fields or decrypts them: counter mode, from the MAC on.
func (h *mac) crypt(block cipher.Block, sum, body []byte) {
	h.counter = [aes.BlockSize]byte{}
	copy(h.counter[:], sum)
	for n := 0; n < len(body); n += aes.BlockSize {
		h.counter[aes.BlockSize-1]++
		block.Encrypt(h.pad[:], h.counter[:])
		subtle.XORBytes(body[n:], body[n:], h.pad[:])
	}
}
