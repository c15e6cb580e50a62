package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Missing tells what this machine lacks for namespace mode and for the given
// further programs; "" when nothing is.
func Missing(programs ...string) string {
	var missing []string
	if os.Geteuid() != 0 {
		missing = append(missing, "root (for network namespaces)")
	}
	missing = append(missing, MissingPrograms(append([]string{"ip", "nft"}, programs...)...)...)
	if len(missing) == 0 {
		if p, err := newPlace("probe", "", hostAddr(switchHost), true); err != nil {
			missing = append(missing, err.Error())
		} else {
			p.Close()
		}
	}
	return strings.Join(missing, ", ")
}

// MissingPrograms lists which of the programs are not installed.
func MissingPrograms(programs ...string) []string {
	var missing []string
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing = append(missing, p)
		}
	}
	return missing
}

// Build builds the sipcluster binary from the module at or above the working
// directory into dir and returns its path. flags are flags of go build ("-race").
func Build(dir string, flags ...string) (string, error) {
	bin := dir + "/sipcluster"
	args := append([]string{"build", "-o", bin}, flags...)
	cmd := exec.Command("go", append(args, modulePath+"/cmd/sipcluster")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build sipcluster: %w\n%s", err, out)
	}
	return bin, nil
}

const modulePath = "github.com/sipcluster/sipcluster"
