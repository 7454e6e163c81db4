// Command meshray is an X-ray for Istio and Envoy captures: it answers from a saved
// config_dump, folder, bug-report or must-gather what one would have asked the live mesh.
//
// Standard output is the product, standard error the conversation, and the exit code the
// verdict: 0 clean, equal or passed; 1 findings, differences or failed expectations; 2 trouble.
package main

import "os"

func main() {
	os.Exit(run(os.Args, os.Stdin, os.Stdout, os.Stderr))
}
