package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"google.golang.org/protobuf/proto"

	"github.com/sipcluster/sipcluster/api/credential"
	"github.com/sipcluster/sipcluster/node/disk"
	"github.com/sipcluster/sipcluster/node/peerpb"
)

// openKey is OpenKey, and makes another key in the place of a damaged one: the node
// serves its phones by itself then, and the others let it in by an invite alone.
func (i *Identity) openKey(name string) (Key, error) {
	k, err := OpenKey(i.path(name))
	if !errors.Is(err, disk.ErrDamaged) {
		return k, err
	}
	means, advice := "another one is made", ""
	if name == keyFile {
		dir := i.cfg.Dir
		means = "this node has another key now, and the other nodes refuse it"
		advice = fmt.Sprintf("at another node: sipcluster node remove --force %[1]s, then sipcluster node invite %[1]s > %[1]s.invite; stop this node, run mkdir %[2]s/old && mv %[2]s/node.json %[2]s/config.db* %[2]s/raft %[2]s/trust %[2]s/old, and start it with --join and --invite-file %[1]s.invite", i.cfg.Name, dir)
	}
	if err := i.cfg.Damaged(i.path(name), err, means, advice); err != nil {
		return Key{}, err
	}
	return OpenKey(i.path(name))
}

// openSeal reads the seal; a damaged one counts as none.
func (i *Identity) openSeal() (err error) {
	i.seal, err = credential.ReadSecret(i.path(sealFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	if _, bad := sealer(i.seal); bad != nil {
		i.seal = nil
		return i.cfg.Damaged(i.path(sealFile), bad, "this node can't sign invites and its own certificates",
			"stop this node, copy the file "+sealFile+" of another node's data directory to "+i.path(sealFile)+" and start it again")
	}
	return nil
}

// openTrust reads whom this node believed last; a damaged file counts as none: the
// configuration tells it.
func (i *Identity) openTrust() error {
	b, err := os.ReadFile(i.path(trustFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil && !isDir(i.path(trustFile)):
		return err
	case err == nil:
		err = proto.Unmarshal(b, i.known)
	}
	if err != nil {
		i.known = &peerpb.Trust{}
		return i.cfg.Damaged(i.path(trustFile), err, "whom to believe comes from the configuration", "")
	}
	return nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
