// Package contexts is the file in which a user keeps how to reach clusters, and as
// whom: one context each. Secrets are in it, so only the user may read it.
package contexts

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"syscall"

	"go.yaml.in/yaml/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sipcluster/sipcluster/api/credential"
)

// File is its content.
type File struct {
	// Current is the name of the context that is used when nothing else is said.
	Current  string               `yaml:"current,omitempty"`
	Contexts []credential.Context `yaml:"contexts"`
}

// ErrNoHome says that there is no place for the file.
var ErrNoHome = errors.New("no place for contexts: set HOME or SIPCLUSTER_CONTEXTS")

// Path is where the file lies: $SIPCLUSTER_CONTEXTS, $XDG_CONFIG_HOME/sipcluster/contexts.yaml
// or ~/.config/sipcluster/contexts.yaml.
func Path(getenv func(string) string) (string, error) {
	if p := getenv("SIPCLUSTER_CONTEXTS"); p != "" {
		return p, nil
	}
	dir := getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home := getenv("HOME")
		if home == "" {
			me, err := user.Current()
			if err != nil || me.HomeDir == "" {
				return "", ErrNoHome
			}
			home = me.HomeDir
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "sipcluster", "contexts.yaml"), nil
}

// Load reads the file; a missing one is empty.
func Load(path string) (*File, error) {
	b, err := credential.ReadSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &File{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("contexts: %w", err)
	}
	f := &File{}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(f); err != nil && len(bytes.TrimSpace(b)) > 0 {
		return nil, fmt.Errorf("%s is damaged: repair or remove it", path)
	}
	for _, c := range f.Contexts {
		if err := c.Check(); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return f, nil
}

// Change lets fn change the content, alone, and writes it.
func Change(path string, fn func(*File) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("contexts: %w", err)
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("contexts: %w", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("contexts: %s: %w", path, err)
	}
	f, err := Load(path)
	if err != nil {
		return err
	}
	if err := fn(f); err != nil {
		return err
	}
	b, err := yaml.Marshal(f)
	if err != nil {
		return err
	}
	return write(path, b)
}

// write replaces the file; nobody else may read it at any moment.
func write(path string, b []byte) error {
	tmp := fmt.Sprintf("%s.%d.new", path, os.Getpid())
	_ = os.Remove(tmp)
	w, err := os.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("contexts: %w", err)
	}
	_, err = w.Write(b)
	if err = errors.Join(err, w.Close()); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("contexts: %w", err), os.Remove(tmp))
	}
	return nil
}

// DialOptions are those of a connection to the node at an address, HOST:PORT: by the user's
// context that lists it; in the clear, as nobody, when none does.
func DialOptions(addr string) ([]grpc.DialOption, error) {
	path, err := Path(os.Getenv)
	if err != nil {
		return nil, err
	}
	f, err := Load(path)
	if err != nil {
		return nil, err
	}
	as := f.Listing(addr)
	if as == nil {
		return []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, nil
	}
	config, err := as.TLS()
	if err != nil {
		return nil, err
	}
	return credential.DialOptions(config, as.Token), nil
}

// Find returns the context of that name, nil when there is none.
func (f *File) Find(name string) *credential.Context {
	for i := range f.Contexts {
		if f.Contexts[i].Name == name {
			return &f.Contexts[i]
		}
	}
	return nil
}

// Present is the current context, nil when there is none.
func (f *File) Present() *credential.Context { return f.Find(f.Current) }

// Listing is the context that lists the address, the current one first and then the
// newest; nil when none does.
func (f *File) Listing(addr string) *credential.Context {
	if c := f.Present(); c != nil && slices.Contains(c.Addresses, addr) {
		return c
	}
	for i := len(f.Contexts) - 1; i >= 0; i-- {
		if slices.Contains(f.Contexts[i].Addresses, addr) {
			return &f.Contexts[i]
		}
	}
	return nil
}

// Put adds a context or replaces the one of its name.
func (f *File) Put(c credential.Context) {
	if old := f.Find(c.Name); old != nil {
		*old = c
		return
	}
	f.Contexts = append(f.Contexts, c)
}

// Remove takes a context out; false when there is none of that name.
func (f *File) Remove(name string) bool {
	if f.Find(name) == nil {
		return false
	}
	f.Contexts = slices.DeleteFunc(f.Contexts, func(c credential.Context) bool { return c.Name == name })
	if f.Current == name {
		f.Current = ""
	}
	return true
}

// FreeName is a name like that which no other context has; one of the same cluster
// has it already.
func (f *File) FreeName(name, cluster string) string {
	for i := 1; ; i++ {
		try := name
		if i > 1 {
			try = fmt.Sprintf("%s-%d", name, i)
		}
		if c := f.Find(try); c == nil || c.Cluster == cluster {
			return try
		}
	}
}
