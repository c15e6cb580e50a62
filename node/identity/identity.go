package identity

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/configpb"
	"github.com/sipcluster/sipcluster/node/disk"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// Files of the data directory.
const (
	keyFile, nextFile, sealFile      = "node.key", "node.key.next", "seal.key"
	certificateFile, trustFile, deny = "node.crt", "trust", "deny.json"
)

// Config of an Identity.
type Config struct {
	// Dir is the node's data directory, ID and Name are those of the node.
	Dir, ID, Name string
	// Damaged sets a file aside that can't be read, and tells what that means; its error
	// is why it can't. Nil: what is damaged is an error.
	Damaged func(path string, why error, means, advice string) error
	// Refused is told of everybody who was not taken for what he said; it must not wait.
	Refused func(id string, why error)
	Log     *slog.Logger
}

// Identity is who this node is and whom it believes. Everything that it says is
// known here: no check waits for anybody.
type Identity struct {
	cfg Config

	certificate atomic.Pointer[tls.Certificate]
	trust       atomic.Pointer[Trust]

	files files

	mu     sync.Mutex // never held for the disk
	key    Key
	next   *Key // made by Rekey, until it is used
	seal   []byte
	known  *peerpb.Trust
	denied map[string]string // id: name
	warned map[string]time.Time
}

// files are those that are written while the node runs; mu is held for the keys and the
// certificate, and taken before Identity.mu.
type files struct {
	mu            sync.Mutex
	trust, denied *disk.Kept
}

// Open reads what the data directory has, and makes the node's key when it has none.
func Open(cfg Config) (*Identity, error) {
	if cfg.Damaged == nil {
		cfg.Damaged = func(_ string, why error, _, _ string) error { return why }
	}
	i := &Identity{cfg: cfg, known: &peerpb.Trust{}, warned: map[string]time.Time{}}
	i.files.trust, i.files.denied = disk.NewKept(i.path(trustFile), 0o600), disk.NewKept(i.path(deny), 0o600)
	var err error
	if i.key, err = i.openKey(keyFile); err != nil {
		return nil, err
	}
	if _, err := os.Stat(i.path(nextFile)); err == nil {
		k, err := i.openKey(nextFile)
		if err != nil {
			return nil, err
		}
		i.next = &k
	}
	if err := i.openSeal(); err != nil {
		return nil, err
	}
	if err := i.readDenied(); err != nil {
		return nil, err
	}
	if err := i.openTrust(); err != nil {
		return nil, err
	}
	i.publish()
	return i, i.readCertificate()
}

func (i *Identity) path(name string) string { return filepath.Join(i.cfg.Dir, name) }

// Trust is whom this node believes at present.
func (i *Identity) Trust() *Trust { return i.trust.Load() }

// Certificate is this node's, with its authority's behind it; nil while it has none.
func (i *Identity) Certificate() *tls.Certificate { return i.certificate.Load() }

// Fingerprint of the key in use.
func (i *Identity) Fingerprint() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.key.Fingerprint
}

// Fingerprints are those that the roster should have: the used one, and the next.
func (i *Identity) Fingerprints() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.next == nil {
		return []string{i.key.Fingerprint}
	}
	return []string{i.key.Fingerprint, i.next.Fingerprint}
}

// Seal opens the keys of authorities; nil at a node that has none yet.
func (i *Identity) Seal() []byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.seal
}

// SetSeal keeps the seal.
func (i *Identity) SetSeal(seal []byte) error {
	if _, err := sealer(seal); err != nil {
		return err
	}
	i.mu.Lock()
	i.seal = seal
	i.mu.Unlock()
	i.files.mu.Lock()
	defer i.files.mu.Unlock()
	return WriteSecret(i.path(sealFile), seal)
}

// Known is what Believe took last.
func (i *Identity) Known() *peerpb.Trust {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.known
}

// Believe takes whom to believe, unless it is older than what is known. It is kept
// over a restart: a node that lost its configuration has to be let in by the others,
// and to let them in, before it has it again.
func (i *Identity) Believe(t *peerpb.Trust) error {
	b, err := proto.Marshal(t)
	if err != nil {
		return err
	}
	i.mu.Lock()
	if t.GetIndex() < i.known.GetIndex() && t.GetClusterId() == i.known.GetClusterId() {
		i.mu.Unlock()
		return nil
	}
	i.known = t
	i.publish()
	kept := i.files.trust.Put(b)
	i.mu.Unlock()
	return kept()
}

// Restart lets the node of a data directory take next whatever its cluster says of
// whom to believe, however much older that is than what it knows: the configuration
// begins again with a shorter history. No process of the node runs.
func Restart(dir string) error {
	path, known := filepath.Join(dir, trustFile), &peerpb.Trust{}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = proto.Unmarshal(b, known)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: remove it", path, err)
	}
	known.Index = 0
	if b, err = proto.Marshal(known); err != nil {
		return err
	}
	return disk.WriteFile(path, b, 0o600)
}

// publish is called with the lock held.
func (i *Identity) publish() {
	t := &Trust{Cluster: i.known.GetClusterId(), Index: i.known.GetIndex(), Keys: map[string][]string{}, Denied: map[string]bool{}}
	for _, der := range i.known.GetAuthorities() {
		if c, err := x509.ParseCertificate(der); err == nil {
			t.Authorities = append(t.Authorities, c)
		}
	}
	for _, n := range i.known.GetNodes() {
		t.Keys[n.GetId()] = n.GetKeySha256()
	}
	for id := range i.denied {
		t.Denied[id] = true
	}
	i.trust.Store(t)
}

// Renew signs a new certificate for this node when it has none, or one of another
// authority than the first, or of another key, or after two thirds of its time.
func (i *Identity) Renew(cluster string, authorities []*configpb.Authority, now time.Time) error {
	i.files.mu.Lock()
	defer i.files.mu.Unlock()
	chain, err := i.renew(cluster, authorities, now)
	if chain == nil {
		return err
	}
	var text []byte
	for _, der := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return disk.WriteFile(i.path(certificateFile), text, 0o644)
}

// renew returns the new certificate, and what stands behind it; nil when none is needed.
func (i *Identity) renew(cluster string, authorities []*configpb.Authority, now time.Time) ([][]byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(authorities) == 0 {
		return nil, nil
	}
	behind := shown(authorities)
	if !i.stale(behind, now) {
		return nil, nil
	}
	a, err := OpenAuthority(authorities[0], i.seal)
	if err != nil {
		return nil, fmt.Errorf("renewing the certificate of this node: %w", err)
	}
	der, err := a.Issue(Node{cluster, i.cfg.ID, i.cfg.Name}, i.key, now)
	if err != nil {
		return nil, fmt.Errorf("renewing the certificate of this node: %w", err)
	}
	chain := append([][]byte{der}, behind...)
	if err := i.use(chain); err != nil {
		return nil, err
	}
	i.cfg.Log.Info("certificate of this node renewed", "authority", Fingerprint(a.Certificate.Raw)[:12], "until", i.certificate.Load().Leaf.NotAfter.UTC().Format(time.RFC3339))
	return chain, nil
}

// shown are the certificates behind a node's own: what leads to the authority before the
// one that signs, for who knows only that, then the authorities, that which signs first. A
// client that tries one issuer alone (OpenSSL) takes the first one that fits and that it
// does not trust already, so one that leads nowhere must not come before.
func shown(authorities []*configpb.Authority) (all [][]byte) {
	signs := authorities[0]
	if len(signs.GetCross()) > 0 {
		all = append(all, signs.GetCross())
	}
	for _, a := range authorities {
		all = append(all, a.GetCertificate())
	}
	if p := signs.GetPrevious(); len(signs.GetCross()) > 0 && !slices.ContainsFunc(all, func(der []byte) bool { return bytes.Equal(der, p) }) {
		all = append(all, p)
	}
	return all
}

// stale is called with the lock held; behind is what stands behind this node's own.
func (i *Identity) stale(behind [][]byte, now time.Time) bool {
	c := i.certificate.Load()
	if c == nil || !slices.EqualFunc(c.Certificate[1:], behind, bytes.Equal) {
		return true
	}
	life := c.Leaf.NotAfter.Sub(c.Leaf.NotBefore)
	return now.After(c.Leaf.NotBefore.Add(life*2/3)) || now.Before(c.Leaf.NotBefore) || fingerprint(c.Leaf.RawSubjectPublicKeyInfo) != i.key.Fingerprint
}

// use is called with the lock held.
func (i *Identity) use(chain [][]byte) error {
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return err
	}
	if fingerprint(leaf.RawSubjectPublicKeyInfo) != i.key.Fingerprint {
		return errors.New("the certificate is of another key")
	}
	i.certificate.Store(&tls.Certificate{Certificate: chain, PrivateKey: i.key.private, Leaf: leaf})
	return nil
}

// readCertificate takes the one of the last time. Without it, or with one that
// does not fit, Renew makes another.
func (i *Identity) readCertificate() error {
	b, err := os.ReadFile(i.path(certificateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return i.cfg.Damaged(i.path(certificateFile), err, "another certificate is made", "")
	}
	var chain [][]byte
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		chain = append(chain, block.Bytes)
	}
	if len(chain) > 0 {
		_ = i.use(chain)
	}
	return nil
}

// Rekey makes the next key of this node, unless there is one already, and returns
// its fingerprint. It is used from Promote on.
func (i *Identity) Rekey() (string, error) {
	i.files.mu.Lock()
	defer i.files.mu.Unlock()
	if both := i.Fingerprints(); len(both) > 1 {
		return both[1], nil
	}
	k, err := OpenKey(i.path(nextFile))
	if err != nil {
		return "", err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.next = &k
	return k.Fingerprint, nil
}

// Promote uses the next key from now on; Renew makes a certificate for it.
func (i *Identity) Promote() error {
	i.files.mu.Lock()
	defer i.files.mu.Unlock()
	if len(i.Fingerprints()) == 1 {
		return nil
	}
	if err := os.Rename(i.path(nextFile), i.path(keyFile)); err != nil {
		return err
	}
	i.mu.Lock()
	i.key, i.next = *i.next, nil
	i.mu.Unlock()
	return disk.SyncDir(i.cfg.Dir)
}

// selfSigned is a certificate that says nothing but the key, for who asks to be
// let in.
func (k Key) selfSigned(now time.Time) (*tls.Certificate, error) {
	template := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "node"}, NotBefore: now.Add(-slack), NotAfter: now.Add(nodeLife)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.private.Public().(ed25519.PublicKey), k.private)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k.private}, nil
}
